/** A flag about a step or state that is not there is refused, with the name that was meant. */
import { expect, test } from 'vitest'
import { refuseStrayFlags } from '../engine/checkpoint/stray-flags.ts'
import type { FitOptions } from '../engine/checkpoint/fit-options.ts'
import {
  average,
  count,
  int32,
  list,
  minutes,
  struct,
  tumbling,
  utf8,
  valueState,
} from './index.ts'
import {
  byHand,
  checkpointOf,
  factsOf,
  running,
  windowed,
  type Build,
} from './testing/changed-jobs.ts'

const visits = byHand({
  pages: valueState(list(struct({ url: utf8() }))),
  total: valueState(int32()),
})
const totals = running({ n: count(), mean: average('price') })
const hourly = windowed(tumbling(minutes(60)), { n: count(), mean: average('price') })

const check = (build: Build, given: Partial<FitOptions>, after = build): void => {
  const options = { dropState: [], renameUid: {}, ...given }
  refuseStrayFlags(checkpointOf(build), factsOf(after), options)
}

test.each<[string, Build, Partial<FitOptions>, RegExp]>([
  ['--drop-state acd', visits, { dropState: ['acd'] }, /Did you mean "acc"/],
  ['--drop-state acc:totl', visits, { dropState: ['acc:totl'] }, /Did you mean "total"/],
  ['--drop-state acd:total', visits, { dropState: ['acd:total'] }, /Did you mean "acc"/],
  ['--drop-state acc:', visits, { dropState: ['acc:'] }, /There are "pages"/],
  ['--drop-state acc:onTimer', visits, { dropState: ['acc:onTimer'] }, /There are "pages"/],
  ['--drop-state', visits, { dropState: ['acc:pages[].ulr'] }, /Did you mean "pages\[\]\.url"/],
  ['--rename-state', visits, { renameState: { 'acc:totl': 'sum' } }, /Did you mean "total"/],
  ['--rename-state', visits, { renameState: { 'acd:total': 'sum' } }, /Did you mean "acc"/],
  ['--rename-uid', visits, { renameUid: { acd: 'acc2' } }, /Did you mean "acc"/],
  ['--rename-uid', visits, { renameUid: { acc: 'acx' } }, /Did you mean "acc"/],
  ['--keep-state ac', visits, { keepState: ['ac'] }, /Did you mean "acc"/],
  ['--drop-state totals:men', totals, { dropState: ['totals:men'] }, /Did you mean "mean"/],
  ["--drop-state 'totals:sum mean'", totals, { dropState: ['totals:sum mean'] }, /"n", "mean"/],
  ['--drop-state hourly:men', hourly, { dropState: ['hourly:men'] }, /Did you mean "mean"/],
  ['--drop-state hourly', hourly, { dropState: ['hourly:latest'] }, /"n", "mean"/],
])('%s', (flag, build, given, hint) => {
  const run = (): void => check(build, given)
  expect(run).toThrow(expect.objectContaining({ code: 'USAGE' }))
  expect(run).toThrow(expect.objectContaining({ hint: expect.stringMatching(hint) as string }))
  expect(run).toThrow(flag)
})

test.each<[string, Build, Partial<FitOptions>]>([
  ['a step', visits, { dropState: ['acc'], keepState: ['acc'] }],
  ['states and fields', visits, { dropState: ['acc:total', 'acc:pages[].url'] }],
  ['renames', visits, { renameState: { 'acc:total': 'sum', 'acc:pages[].url': 'path' } }],
  ['a rename that was made before', visits, { renameState: { 'acc:sum': 'total' } }],
  ['a step that was renamed before', visits, { renameUid: { old: 'acc' } }],
  ['an aggregate', totals, { dropState: ['totals:mean'], renameState: { 'totals:n': 'm' } }],
  ['an aggregate of windows', hourly, { dropState: ['hourly:mean'] }],
  ['a sink of the job', visits, { dropState: ['out'] }],
])('%s is no stray', (_, build, given) => {
  expect(() => {
    check(build, given)
  }).not.toThrow()
})
