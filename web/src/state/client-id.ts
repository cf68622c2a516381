/** Name of this page, as long as it is open: the lab ends the runs it drives when it has gone. */
export const clientId: string = crypto.randomUUID();
