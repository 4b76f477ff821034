/**
 * What the types of the public face are made of. Nothing here exists at run time: the symbols are
 * declared, never defined, and only mark positions in types.
 */
import type { Key } from '../engine/stream/keys.ts'
import type { Infer, Schema } from '../engine/stream/schema.ts'

/** What a declared step asks of a record, as a contravariant position. */
export declare const requires: unique symbol
/** What a declared step gives. */
export declare const yields: unique symbol
export type Fields = Readonly<Record<string, Schema<unknown>>>
export type RowOf<F extends Fields> = { readonly [N in keyof F]: Infer<F[N]> }
export type Simplify<T> = { [P in keyof T]: T[P] } & {}

export type FieldName<T> = [T] extends [object]
  ? [T] extends [readonly unknown[] | Uint8Array]
    ? never
    : Extract<keyof T, string>
  : never
export type FieldOf<T, V> = { [F in FieldName<T>]: T[F] extends V ? F : never }[FieldName<T>]
export type KeyField<T> = FieldOf<T, Key>
export type TimeField<T> = FieldOf<T, number>

/** The key that `keyBy` finds with `S`: a function's result, a field's value, or several. */
export type KeyFrom<T, S> = S extends (record: T) => infer K
  ? K
  : S extends keyof T
    ? T[S]
    : S extends readonly unknown[]
      ? { readonly [I in keyof S]: S[I] extends keyof T ? T[S[I]] : never }
      : never
export type KeyFields<S> = S extends string
  ? S
  : S extends readonly (infer F extends string)[]
    ? F
    : never

export type Scalar = string | number | bigint | boolean
export type Numeric = number | bigint
export type Widen<V> = V extends string
  ? string
  : V extends number
    ? number
    : V extends bigint
      ? bigint
      : boolean
/** A record with these fields; comparing with null is false, so null is welcome. */
export type Has<F extends string, V> = { readonly [P in F]: V | null }

/** What expression `E` gives for records of type `T`. */
export type ValueOf<T, E> = E extends { readonly [yields]: { readonly field: infer F } }
  ? F extends keyof T
    ? T[F]
    : never
  : E extends { readonly [yields]: { readonly type: infer V } }
    ? V
    : never
