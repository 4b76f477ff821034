import type {
  BroadcastProcessOptions,
  CoProcessOptions,
  KeyedProcessOptions,
  ProcessOptions,
  UserDefinition,
} from './options.ts'
import type { ProcessInput, ProcessLogic } from './process.ts'
import type { KeyedContext } from '../process.ts'
import type { ProcessScope } from './process-context.ts'
import { bindStates } from '../process-function.ts'

/** The forms in which a process step is written, brought to one. */
export function processLogic(options: ProcessOptions): ProcessLogic {
  return {
    inputs: [inputOf(options.definition, 'onRecord', 'none')],
    states: {},
    broadcast: {},
    sides: options.sides,
  }
}

export function keyedProcessLogic(options: KeyedProcessOptions): ProcessLogic {
  const { form, key } = options
  if (form.type === 'class') return classLogic(options, form)
  return {
    inputs: [inputOf(form.definition, 'onRecord', key)],
    states: form.states,
    broadcast: {},
    sides: form.sides,
    ...timerOf(form.definition),
  }
}

export function coProcessLogic(options: CoProcessOptions): ProcessLogic {
  const { definition, keys } = options
  return {
    inputs: [inputOf(definition, 'onLeft', keys[0]), inputOf(definition, 'onRight', keys[1])],
    states: options.states,
    broadcast: {},
    sides: options.sides,
    ...timerOf(definition),
  }
}

export function broadcastProcessLogic(options: BroadcastProcessOptions): ProcessLogic {
  const { definition } = options
  return {
    inputs: [
      inputOf(definition, 'onRecord', options.key),
      inputOf(definition, 'onBroadcast', 'broadcast'),
    ],
    states: options.states,
    broadcast: options.broadcast,
    sides: options.sides,
    ...timerOf(definition),
  }
}

function classLogic(
  options: KeyedProcessOptions,
  form: Extract<KeyedProcessOptions['form'], { type: 'class' }>,
): ProcessLogic {
  const instance = form.create()
  const given = (scope: ProcessScope): KeyedContext<unknown, unknown> =>
    scope as unknown as KeyedContext<unknown, unknown>
  return {
    inputs: [
      {
        key: options.key,
        onRecord: (record, scope) => {
          const returned: unknown = instance.processElement(record, given(scope))
          return returned
        },
      },
    ],
    states: {},
    broadcast: {},
    sides: 'any',
    onTimer: (atMs, scope) => {
      const returned: unknown = instance.onTimer?.(atMs, given(scope))
      return returned
    },
    open: (backend) => {
      bindStates(instance, backend)
      instance.open?.()
    },
  }
}

type Method = (this: UserDefinition, ...given: unknown[]) => unknown

/** Methods are called on their definition, so that one may call another. */
function inputOf(
  definition: UserDefinition,
  method: string,
  key: ProcessInput['key'],
): ProcessInput {
  const call = definition[method] as Method
  return { key, onRecord: (record, scope) => call.call(definition, record, scope) }
}

function timerOf(definition: UserDefinition): Pick<ProcessLogic, 'onTimer'> {
  const call = definition['onTimer'] as Method | undefined
  if (call === undefined) return {}
  return { onTimer: (atMs, scope) => call.call(definition, atMs, scope) }
}
