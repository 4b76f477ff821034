import type { StateChange } from '../state/state-changes.ts'

/** How a person says what a changed job does with the state of a checkpoint. */
export interface FitOptions {
  /** `UID`: all that the step holds is lost knowingly. `UID:STATE`: this state, or this field. */
  readonly dropState: readonly string[]
  /** Old uid → new uid. */
  readonly renameUid: Readonly<Record<string, string>>
  /** `UID:OLD` → the new name of the state, or of a field in it. */
  readonly renameState?: Readonly<Record<string, string>>
  /** Uids whose state goes on though the step is declared in another way. */
  readonly keepState?: readonly string[]
}

/** Of one step; either of its uids may be named. */
export interface StepOptions {
  readonly isDropped: boolean
  readonly isKept: boolean
  readonly changes: readonly StateChange[]
}

export function newUid(options: FitOptions, uid: string): string {
  return Object.hasOwn(options.renameUid, uid) ? options.renameUid[uid]! : uid
}

export function stepOptions(options: FitOptions, was: string): StepOptions {
  const uids = [was, newUid(options, was)]
  const pathOf = (given: string): string | undefined => {
    const uid = uids.find((name) => given.startsWith(`${name}:`))
    return uid === undefined ? undefined : given.slice(uid.length + 1)
  }
  const changes: StateChange[] = []
  for (const [given, to] of Object.entries(options.renameState ?? {})) {
    const path = pathOf(given)
    if (path !== undefined) changes.push({ path, to })
  }
  for (const given of options.dropState) {
    const path = pathOf(given)
    if (path !== undefined) changes.push({ path, to: undefined })
  }
  return {
    isDropped: options.dropState.some((given) => uids.includes(given)),
    isKept: (options.keepState ?? []).some((given) => uids.includes(given)),
    changes,
  }
}

/** A flag as it is typed in a shell. */
export function flagText(flag: string, value: string): string {
  return /^[\w.:=-]+$/.test(value)
    ? `${flag} ${value}`
    : `${flag} '${value.replaceAll("'", `'\\''`)}'`
}
