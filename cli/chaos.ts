import type { Command } from 'commander'
import type { ReplayFlags } from './chaos/replay.ts'
import type { ChaosFlags } from './chaos/flags.ts'

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
  addReplay(chaos, done, withJobFlags)
  addShrink(chaos, done, withJobFlags)
  addFsck(chaos, done)
  addPoints(chaos, done)
  addDoctor(chaos, done)
}

function addRun(chaos: Command, done: Done, withJobFlags: WithJobFlags): void {
  const command = chaos
    .command('run')
    .description('run the job under schedules of faults that a seed decides')
    .argument('<job>', 'the script that exports the job')
    .option('--seed <n>', 'the first schedule; the next ones follow (default: 1)')
    .option('--records <n>', RECORDS_HELP)
    .option('--schedules <n>', 'how many (default: 1000; 20 in a real mode)')
    .option('--mode <mode>', 'sim, threads or process (default: sim)')
  withFaultFlags(withJobFlags(command)).action(async (job: string, flags: ChaosFlags) => {
    const { chaosRunCommand } = await import('./chaos/run.ts')
    done(await chaosRunCommand(job, flags))
  })
}

function addExhaust(chaos: Command, done: Done, withJobFlags: WithJobFlags): void {
  const command = chaos
    .command('exhaust')
    .description('try every fault at every point; with --depth 2 a second one in the recovery')
    .argument('<job>', 'the script that exports the job')
    .option('--records <n>', RECORDS_HELP)
    .option('--depth <1|2>', '1: every single fault; 2: every pair of points (default: 1)')
    .option('--seed <n>', 'decides the order of events (default: 1)')
  withFaultFlags(withJobFlags(command)).action(async (job: string, flags: ChaosFlags) => {
    const { chaosExhaustCommand } = await import('./chaos/run.ts')
    done(await chaosExhaustCommand(job, flags))
  })
}

function addReplay(chaos: Command, done: Done, withJobFlags: WithJobFlags): void {
  const command = chaos
    .command('replay')
    .description('run a schedule again, and draw it')
    .argument(
      '<bundle or seed>',
      'the folder of a bundle; or, with --job, a seed that "chaos run" called "seed 42"',
    )
    .option('--job <job>', 'the script, where it is not the one that the bundle names')
    .option('--faults <kinds>', 'with a seed: as they were given to "chaos run"')
    .option('--records <n>', 'likewise')
    .option('--picture <file>', 'write the picture as SVG')
  withJobFlags(command).action(async (given: string, flags: ReplayFlags) => {
    const { chaosReplayCommand } = await import('./chaos/replay.ts')
    done(await chaosReplayCommand(given, flags))
  })
}

function addShrink(chaos: Command, done: Done, withJobFlags: WithJobFlags): void {
  const command = chaos
    .command('shrink')
    .description('make the schedule of a bundle as simple as it gets')
    .argument('<bundle>', 'the folder of a bundle')
    .option('--job <job>', 'the script, where it is not the one that the bundle names')
    .option('--out <dir>', 'where the new bundle goes (default: beside the old one)')
  withJobFlags(command).action(async (bundle: string, flags: ReplayFlags) => {
    const { chaosShrinkCommand } = await import('./chaos/replay.ts')
    done(await chaosShrinkCommand(bundle, flags))
  })
}

function addFsck(chaos: Command, done: Done): void {
  chaos
    .command('fsck')
    .description(
      'verify a savepoint, or the checkpoints of a job that does not run; changes nothing',
    )
    .argument('<folder>', 'a work folder or a savepoint')
    .option('--deep', 'decode all state, and check what it says')
    .option('--json', 'as one JSON object')
    .action(async (folder: string, flags: { readonly deep?: boolean; readonly json?: boolean }) => {
      const { fsckCommand } = await import('./chaos/fsck.ts')
      done(await fsckCommand(folder, flags))
    })
}

function addPoints(chaos: Command, done: Done): void {
  chaos
    .command('points')
    .description('list the fault points, at which something can go wrong, and what must hold')
    .option('--json', 'as JSON')
    .action(async (flags: { readonly json?: boolean }) => {
      const { pointsCommand } = await import('./chaos/points.ts')
      done(await pointsCommand(flags))
    })
  chaos
    .command('explain')
    .description(
      'say what happens at a fault point and can be done there, or what an invariant is about',
    )
    .argument('<name>', 'such as disk.manifest.link or I2')
    .action(async (point: string) => {
      const { explainCommand } = await import('./chaos/points.ts')
      done(await explainCommand(point))
    })
}

function addDoctor(chaos: Command, done: Done): void {
  chaos
    .command('doctor')
    .description('try which kinds of faults work on this machine')
    .option('--json', 'as JSON')
    .action(async (flags: { readonly json?: boolean }) => {
      const { doctorCommand } = await import('./chaos/doctor.ts')
      done(await doctorCommand(flags))
    })
}

function withFaultFlags(command: Command): Command {
  return command
    .option(
      '--faults <kinds>',
      'crash,delay,drop,errno,torn,powerloss,clock,pause,fence,rescale,ask',
    )
    .option('--budget <duration>', 'end after so long, such as 5m, whatever the job does')
    .option('--picture <file.svg>', 'write the picture of each failing run there too')
    .option('--out <dir>', 'where bundles of failing runs go (default: .millrace/chaos)')
    .option('--strict', 'fail also when a rare state was not reached')
    .option('--no-shrink', 'keep failing schedules as they are')
}

const RECORDS_HELP =
  'of each Kafka source: how many records to take into simulation (default: 5000)'

const CHAOS_HELP = `
Examples:
  millrace chaos run job.ts --schedules 2000 --budget 5m
  millrace chaos exhaust job.ts

The job runs in simulation, in this process: its real code, over a disk and a clock that are not.
Its state and what its sinks write stay in memory. But its functions are really called, thousands of
times: a request, a mail or a file that one of them makes by itself goes out each time. Its sources
must end and be readable again, its sinks must commit. A run without faults says what is right; runs
with faults are held against it.
Of Kafka, what a topic holds by now is read once, at the start, and every run reads that.

With 100 schedules or more a search begins with one for each rare state, "led to" it; those that
follow come by chance, one a seed. Each failing run is kept as a bundle, which "replay" has again.

Exit codes:
  0  nothing was broken                        3    fsck: a checkpoint is damaged
  1  an invariant was broken (or, by --strict, 124  exhaust was ended before all was tried, or a
     a rare state not reached)                      search before anything was; nothing was broken
  2  wrong call, or a job that fails, does     130, 143  ended by SIGINT, SIGTERM, after a report
     not end or differs without a fault        70   a bug of Millrace
`
