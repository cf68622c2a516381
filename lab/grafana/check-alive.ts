/**
 * Puts every query of the dashboards to the programs of the running lab and lists what shows
 * nothing: `node lab/grafana/check-alive.ts [<minutes>]`, after `npm run lab -- verify`. `LAB_PORT` is
 * the lab's. Exit code 1 when a panel is dead.
 */
import { judgeDashboards, livingPanelsReport } from "./living-panels.ts";

const minutes = Number(process.argv[2] ?? 15);
const origin = `http://localhost:${process.env.LAB_PORT ?? 4700}`;
const judged = await judgeDashboards(origin, minutes * 60);
for (const line of livingPanelsReport(judged)) process.stdout.write(`${line}\n`);
process.exitCode = judged.some(({ judgement }) => judgement.state === "dead") ? 1 : 0;
