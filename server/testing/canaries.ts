/** Values that must be found nowhere; recognisable, and different in each place. */
export const canary = (place: string): string => `canary-${place.replace(/[^a-z]/g, "")}-5f0e1d`;

/** Finds every planted value, whatever it stands in. */
export const canaryPattern = /canary-[a-z]+-5f0e1d/g;
