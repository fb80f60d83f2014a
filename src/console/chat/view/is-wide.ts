// Whether the window has room for the panels beside the chat. In a narrow window they start closed.
export const isWide = (): boolean => matchMedia("(min-width: 901px)").matches;
