import type { JobPlan } from '../engine/job/job-plan.ts'
import type { RunOptions } from '../engine/job/protocol.ts'
import { systemFiles } from '../engine/base/files.ts'
import { bundleJob } from '../engine/job/bundle.ts'
import { planBundle } from '../engine/job/job-plan.ts'
import { removeBundleFolder } from '../engine/job/bundle-folder.ts'

/** Bundles and plans a job in this process, for commands that show it and do not run it. */
export async function planJob(options: RunOptions): Promise<JobPlan> {
  process.setSourceMapsEnabled(true)
  try {
    const bundle = await bundleJob(options.jobPath, options.bundleDir)
    return await planBundle(bundle.path, options, systemFiles)
  } finally {
    await removeBundleFolder(systemFiles, options.bundleDir)
  }
}
