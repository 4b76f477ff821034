/** Plain data as JSON has it: what plans, manifests, split positions and committables are made of. */
export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }
