// Whether the window has room for the panels beside the chat; else they are closed until they are wanted.
export const isWide = (): boolean => matchMedia("(min-width: 901px)").matches;
