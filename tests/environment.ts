/**
 * The environment that a test gives to the command line: without the MILLRACE_ variables of the
 * suite itself, which are no settings, nor those of whoever runs it.
 */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('MILLRACE_'))
  return Object.fromEntries(entries)
}
