/** A mistake of the person who runs a script: its message is printed without a stack. */
export class CommandError extends Error {}
