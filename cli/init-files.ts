/** The files that `millrace init` writes, as text. A test runs the job and checks its types. */

export function firstJob(): string {
  return `// Page views, made up here, counted for each page and minute of event time.
//
//   npx millrace run job.ts      Ctrl-C stops it; the same command resumes it
//   npx millrace dev job.ts      prints instead of writing, and restarts when this file is saved
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  int32,
  minutes,
  parameter,
  seconds,
  struct,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'

const START_MS = Date.UTC(2026, 0, 1)
const PAGES = ['/', '/shop', '/basket', '/checkout', '/help']

const PageViews = struct({ page: utf8(), minute: timestamp(), views: int32() })

const parameters = {
  directory: parameter.text({ default: './out/views', help: 'where the files go' }),
  views: parameter.integer({ default: 600_000, help: 'how many page views are made' }),
  perSecond: parameter.integer({ default: 10_000, help: 'how many of them in a second' }),
}

export default defineJob('page-views', parameters, (env, { directory, views, perSecond }) => {
  const source = generatorSource({
    records: views,
    perSecond,
    // A view every 10 ms, each up to 5 s late.
    generate: (index) => ({
      page: PAGES[(index * 7) % PAGES.length] ?? '/',
      at: START_MS + index * 10 - ((index * 7919) % 5_000),
    }),
  })

  env
    .fromSource('views', source)
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(5)))
    .keyBy('page')
    .window(tumbling(minutes(1)))
    .aggregate('per-minute', { views: count() })
    .select({ page: field('page'), minute: field('windowStart'), views: field('views') })
    .sinkTo('files', fileSink({ directory, schema: PageViews }))
})
`
}

export function tsconfig(): string {
  return `{
  "compilerOptions": {
    "target": "es2023",
    "lib": ["es2023"],
    "module": "preserve",
    "strict": true,
    "noUncheckedIndexedAccess": true,
    "allowImportingTsExtensions": true,
    "resolveJsonModule": true,
    "skipLibCheck": true,
    "noEmit": true,
    "types": ["node"]
  },
  "include": ["**/*.ts"],
  "exclude": ["node_modules", "out"]
}
`
}

export function gitignore(): string {
  return `node_modules/\n.millrace/\nout/\n`
}

export function readme(name: string): string {
  return `# ${name}

\`npm install && npx millrace run job.ts\` counts page views into \`./out/views\`; stop or kill it
at any moment, and the same command goes on where it was.
`
}

export function serviceUnit(name: string, folder: string, job: string): string {
  return `# A systemd unit for the job ${name}. Copy it to /etc/systemd/system/, then:
#   systemctl daemon-reload && systemctl enable --now ${name}
[Unit]
Description=Millrace job ${name}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
WorkingDirectory=${folder}
StateDirectory=millrace/${name}
Environment=NODE_ENV=production
ExecStart=/usr/bin/env node node_modules/millrace/dist/cli/main.js run ${job} \\
  --work-dir /var/lib/millrace/${name} --log-format json
# Only the parent gets SIGTERM; it takes a last checkpoint, within --grace (20 s).
KillMode=mixed
TimeoutStopSec=30
SuccessExitStatus=143
# A wrong call, state that does not fit and a poison record need a person.
Restart=on-failure
RestartPreventExitStatus=2 3 5
RestartSec=5

[Install]
WantedBy=multi-user.target
`
}

export function dockerfile(job: string): string {
  return `# State lives in /state, output in /app/out. Mount volumes on local disks there.
#   docker build -t job .
#   docker run -v job-state:/state -v job-out:/app/out --stop-timeout 30 job
# Build after "npm install": package-lock.json says what is installed.
FROM node:22-slim
RUN mkdir -p /state /app/out && chown node:node /state /app /app/out
USER node
WORKDIR /app
COPY --chown=node:node package.json package-lock.json ./
RUN npm ci --omit=dev
COPY --chown=node:node . .
VOLUME ["/state", "/app/out"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "node_modules/millrace/dist/cli/main.js", "run", "${job}", \\
  "--work-dir", "/state", "--log-format", "json"]
`
}

/** What must not get into the image: what the build installs, state, output, and secrets. */
export function dockerignore(): string {
  return `node_modules
.millrace
out
.git
.env*
Dockerfile
.dockerignore
*.service
`
}
