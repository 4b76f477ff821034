declare const milliseconds: unique symbol

/** A span of time in ms, made by `seconds(30)` and its like; a plain number does not pass for one. */
export type Duration = number & { readonly [milliseconds]: true }
