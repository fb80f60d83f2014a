/** A mistake of the person who runs a script. Scripts print only its message, without the stack. */
export class CommandError extends Error {}
