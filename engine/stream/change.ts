/** What a change does to the table that a changelog describes. */
export type RowKind = '+I' | '-U' | '+U' | '-D'

/** A changelog is a stream of these: the kind stands in the record, with no hidden mark. */
export type Change<T> = { readonly kind: RowKind; readonly row: T }
