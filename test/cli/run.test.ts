import { readFile } from "node:fs/promises";
import test from "ava";
import { ALL_SETTINGS } from "../../src/config.ts";
import { run } from "./command.ts";

test("without a command it prints its help", async (t) => {
  const { code, stdout, stderr } = await run(t, []);
  t.is(code, 0);
  t.is(stderr, "");
  for (const command of ["serve", "config", "health"]) t.regex(stdout, new RegExp(`^  ${command} `, "m"));
});

test("--version is the package's", async (t) => {
  const { version } = JSON.parse(await readFile("package.json", "utf8"));
  t.like(await run(t, ["--version"]), { code: 0, stdout: `${version}\n`, stderr: "" });
});

test("serve --help names every flag and every variable", async (t) => {
  const { code, stdout } = await run(t, ["serve", "--help"]);
  t.is(code, 0);
  for (const { flag, variable } of ALL_SETTINGS) {
    t.regex(stdout, new RegExp(`^  ${flag} `, "m"));
    t.true(stdout.includes(variable), variable);
  }
  t.true(stdout.includes("Examples:"));
});

const misuses: readonly (readonly [readonly string[], string])[] = [
  [["srve"], "unknown command 'srve'; did you mean serve?"],
  [["--port", "80"], "unknown option '--port'; did you mean layerd serve --port?"],
  [["serve", "--prot", "80"], "unknown option '--prot'; did you mean --port?"],
  [["serve", "--allowed-hosts=a"], "unknown option '--allowed-hosts=a'; did you mean --allowed-host?"],
  [["serve", "--port"], "option '--port <number>' argument missing"],
  [["serve", "--port", "http"], "--port: 'http' is not a port number from 0 to 65535"],
  [["serve", "now"], "too many arguments for 'serve'. Expected 0 arguments but got 1: now"],
  [["config", "--jsn"], "unknown option '--jsn'; did you mean --json?"],
];

for (const [args, sentence] of misuses) {
  test(`layerd ${args.join(" ")} is refused in one sentence`, async (t) => {
    t.deepEqual(await run(t, args), { code: 2, stdout: "", stderr: `layerd: ${sentence}\n` });
  });
}

test("an unknown variable is refused by every command that reads settings", async (t) => {
  for (const command of ["serve", "config", "health"]) {
    const { code, stderr } = await run(t, [command], { env: { LAYERD_DATADIR: "x" } });
    t.is(code, 2);
    t.is(stderr, "layerd: there is no setting for the variable LAYERD_DATADIR; did you mean LAYERD_DATA?\n");
  }
});

test("an older Node gets one sentence", async (t) => {
  const older =
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.11.1' } })";
  const { code, stdout, stderr } = await run(t, ["serve"], {
    node: [`--import=data:text/javascript,${older}`],
  });
  t.is(code, 1);
  t.is(stdout, "");
  t.regex(stderr, /^layerd needs Node\.js 24 or newer, and this is 20\.11\.1: [^\n]+\n$/);
});
