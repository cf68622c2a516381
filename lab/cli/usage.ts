/** What `--help` prints, and the line below every usage error. */
export const usage = `npm run lab                      start, stay in the foreground; Ctrl-C stops
npm run lab -- <verb> [flags]

  up [--detach]                  start; --detach: in the background
  down                           stop the lab of this clone
  status                         what runs
  open                           show the page in a browser; prints its address, with --token a new link
  doctor                         what this machine offers, and what is in the way
  logs <service> [--follow]      output of a service; "lab" for the lab's own when detached
  list                           the scenarios
  schema                         JSON schema of what a scenario may expect
  run <scenario> [--mode fault|control|fix] [--param name=value]… [--seed n] [--judge store|backends]
                                 run a scenario and wait for its verdict
  verify [<scenario>…] [--self-test] [--strict] [--seed n] [--junit FILE] [--judge store|backends]
                                 run scenarios in all their modes and judge them, in a random order
                                 that --seed repeats; starts a lab when none runs.
                                 --self-test: break the telemetry, which must be noticed
                                 --strict: what cannot be judged on this machine is no pass (exit 2)
  restart <service>              restart a service
  reset                          throw away data, telemetry and run records

  --json                         for status, doctor, list, run, verify, down, restart, reset: one JSON document
  --until-ready                  start, print the start times, stop everything
  --no-open                      do not open the page in a browser
  --token                        for machines with other users: the page opens by a link that works once
  --judge store|backends         whose word counts; backends (Tempo, Loki, Prometheus) where they are real
  --runtime embedded|compose     services as processes, or in containers; remembered for this clone

Exit codes: 0 pass, 1 fail, 2 inconclusive, 3 wrong usage.
LAB_PORT chooses the port of the page (4700), LAB_DIR the state folder (.lab),
LAB_SCENARIOS another folder of scenarios, LAB_JUDGE what --judge is without it.`;

export const usageHint = "npm run lab -- --help lists verbs and flags.";
