import type { Command } from 'commander'
import type { ChaosFlags } from './chaos-run.ts'

type Done = (exitCode: number) => void
type WithJobFlags = (command: Command) => Command

/** `millrace chaos` and what it can do; each part is loaded when it is called. */
export function addChaos(root: Command, done: Done, withJobFlags: WithJobFlags): void {
  const chaos = root
    .command('chaos')
    .description('break a job on purpose, and see whether its promises hold')
    .addHelpText('after', CHAOS_HELP)
  addRun(chaos, done, withJobFlags)
  addExhaust(chaos, done, withJobFlags)
}

function addRun(chaos: Command, done: Done, withJobFlags: WithJobFlags): void {
  const command = chaos
    .command('run')
    .description('run the job under schedules of faults that a seed decides')
    .argument('<job>', 'the script that exports the job')
    .option('--seed <n>', 'the first schedule; the next ones follow (default: 1)')
    .option('--schedules <n>', 'how many (default: 1000)')
  withFaultFlags(withJobFlags(command)).action(async (job: string, flags: ChaosFlags) => {
    const { chaosRunCommand } = await import('./chaos-run.ts')
    done(await chaosRunCommand(job, flags))
  })
}

function addExhaust(chaos: Command, done: Done, withJobFlags: WithJobFlags): void {
  const command = chaos
    .command('exhaust')
    .description('try every fault at every point; with --depth 2 a second one in the recovery')
    .argument('<job>', 'the script that exports the job')
    .option('--depth <1|2>', '1: every single fault; 2: every pair of points (default: 1)')
    .option('--seed <n>', 'decides the order of events (default: 1)')
  withFaultFlags(withJobFlags(command)).action(async (job: string, flags: ChaosFlags) => {
    const { chaosExhaustCommand } = await import('./chaos-run.ts')
    done(await chaosExhaustCommand(job, flags))
  })
}

function withFaultFlags(command: Command): Command {
  return command
    .option(
      '--faults <kinds>',
      'crash,delay,drop,errno,torn,powerloss,clock,pause,fence,rescale,ask',
    )
    .option('--budget <duration>', 'end after so long, such as 5m')
    .option('--picture <file.svg>', 'write the picture of each failing run')
}

const CHAOS_HELP = `
Examples:
  millrace chaos run job.ts --schedules 2000 --budget 5m
  millrace chaos exhaust job.ts

The job runs in simulation, in this process: its real code, over a disk and a clock that are not.
Nothing of its real state or output is touched. Its sources must end and be readable again, its
sinks must commit. A run without faults says what is right; runs with faults are held against it.
`
