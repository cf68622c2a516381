export const modes = ["fault", "control", "fix"] as const;
/** `fault` breaks it, `control` does the same work unbroken, `fix` shows the cure. */
export type Mode = (typeof modes)[number];
