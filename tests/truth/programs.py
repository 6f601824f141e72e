# SPDX-License-Identifier: MIT
"""Real programs at work, each as a shell command that goes on for ever."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/bench"))
import loads as bench  # noqa: E402

NODE = r"""
class Shape { constructor(n) { this.n = n; } area() { return this.n * this.n; } }
const words = Array.from({length: 20000}, (_, i) => i.toString(16).repeat(3));
async function round() {
    const table = new Map();
    for (const w of words) table.set(w, w.replace(/[0-9]+/g, m => m.length));
    JSON.parse(JSON.stringify([...table]));
    [...words].sort((a, b) => a < b ? 1 : -1);
    words.map(w => new Shape(w.length)).filter(s => s.area() > 3).reduce((n, s) => n + s.area(), 0);
    await Promise.all(words.slice(0, 500).map(async w => w.length));
    setImmediate(round);
}
round();
"""

SQL = """
CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO t SELECT i, printf('%x-%d', i * 2654435761, i % 97), i / 3.0 FROM n;
CREATE INDEX u ON t (b);
SELECT count(*), sum(x.c), max(y.b) FROM t x JOIN t y ON x.b = y.b GROUP BY x.a % 10;
SELECT b, avg(c) FROM t WHERE b LIKE '%7%' GROUP BY substr(b, 1, 2) ORDER BY 2 DESC;
UPDATE t SET c = c + length(b) WHERE a % 3 = 0;
"""

RUST = """
use std::collections::{BTreeMap, HashMap};
fn main() {
    let mut words: HashMap<String, Vec<u64>> = HashMap::new();
    for i in 0..1000u64 { words.entry(format!("{:x}", i * 7)).or_default().push(i); }
    let sorted: BTreeMap<_, _> = words.iter().filter(|(k, _)| k.len() > 1).collect();
    for (k, v) in sorted.iter().rev().take(3) { println!("{k} {v:?}"); }
}
"""


RUST_LOAD = """
use std::collections::{BTreeMap, HashMap};
fn index(round: u64) -> HashMap<String, Vec<u64>> {
    let mut words: HashMap<String, Vec<u64>> = HashMap::new();
    for i in 0..20000u64 { words.entry(format!("{:x}", i * 7 % 5003)).or_default().push(i ^ round); }
    words
}
fn main() {
    for round in 0.. {
        let words = index(round);
        let sorted: BTreeMap<_, _> = words.iter().filter(|(k, _)| k.len() > 1).collect();
        let mut sums: Vec<u64> = sorted.values().map(|v| v.iter().sum()).collect();
        sums.sort_unstable_by_key(|s| s.reverse_bits());
        if sums.len() == 1 { println!("{}", sums[0]); }
    }
}
"""

GO_LOAD = """
package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
)

var numbers = regexp.MustCompile("([0-9]+)[a-f]+")

func index(round int) map[string][]int {
	words := map[string][]int{}
	for i := 0; i < 20000; i++ {
		word := fmt.Sprintf("%x", i*7%5003)
		words[word] = append(words[word], i^round)
	}
	return words
}

func main() {
	for round := 0; ; round++ {
		words := index(round)
		text, _ := json.Marshal(words)
		json.Unmarshal(text, &words)
		keys := []string{}
		for key := range words {
			keys = append(keys, numbers.ReplaceAllString(key, "$1"))
		}
		sort.Strings(keys)
	}
}
"""


def for_ever(command):
    return f"while :; do {command}; done"


def git(folder):
    """A repository with some history, which is looked through and packed anew."""
    chance = random.Random(3)
    repository = folder / "repository"
    repository.mkdir()

    def run(*arguments):
        name = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
        subprocess.run(["git", *name, *arguments], cwd=repository, check=True, capture_output=True)

    run("init", "-q")
    for commit in range(60):
        for _ in range(10):
            lines = [f"{chance.randrange(1000)} line {chance.randrange(50)}\n" for _ in range(200)]
            (repository / f"file-{chance.randrange(40)}").write_text("".join(lines))
        run("add", ".")
        run("commit", "-q", "-m", f"commit {commit}")
    work = "git log -p --stat >/dev/null; git repack -adfq --threads=1; git grep -c 7 >/dev/null"
    return f"cd {repository}; {for_ever(work)}"


def redis(folder):
    socket = folder / "redis.sock"
    server = f"redis-server --port 0 --unixsocket {socket} --save '' --dir {folder}"
    client = f"redis-benchmark -s {socket} -q -n 100000 -c 20 -P 4 -t set,get,lpush,zadd,lrange_100"
    return f"{server} & sleep 1; {for_ever(client)}"


def postgres(folder):
    """A server and its client, as a user of their own: it refuses to run as root."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    data = folder / "data"
    data.mkdir()
    shutil.chown(data, "postgres")
    folder.chmod(0o711)
    setup = f"{binaries}/initdb -A trust -D {data}"
    server = f"{binaries}/postgres -D {data} -k {data} -h ''"
    client = f"{binaries}/pgbench -h {data} -c 4 -T 20 postgres"
    script = f"{setup}; {server} & sleep 2; {binaries}/pgbench -h {data} -i -s 3 postgres; "
    user = "setpriv --reuid=postgres --regid=postgres --clear-groups"
    return f"cd {data}; exec {user} sh -c '{script}{for_ever(client)}'".replace("-h ''", '-h ""')


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def go(folder):
    """Go's own compiler, which is a Go program."""
    cache = folder / "cache"
    build = "go build -p 1 -o /dev/null net/http"
    return for_ever(f"rm -rf {cache}; GOCACHE={cache} GOPROXY=off CGO_ENABLED=0 {build}")


def built(compiler, name, source, suffix):
    """A program of its own, compiled first."""

    def make(folder):
        path = written(folder, f"load.{suffix}", source)
        return f"cd {folder} && {compiler.format(out=folder / name, source=path)} && exec {folder}/{name}"

    return make


def shell(command):
    """One of the benchmark's loads."""

    def make(folder):
        words = bench.command(command, folder)
        return words[-1] if words[0] == "sh" else "exec " + subprocess.list2cmdline(words)

    return make


def script(interpreter, name, text):
    return lambda folder: f"exec {interpreter} {written(folder, name, text)}"


def real_name(program):
    """The name of the file that runs."""
    return Path(shutil.which(program) or program).resolve().name


# Name of the program whose stacks are compared, and what makes it work, in a folder of its own.
LOADS = {
    "cc1": shell("cc1"),
    "xz": shell("xz"),
    real_name("/usr/bin/python3"): script("/usr/bin/python3", "load.py", bench.PYTHON),
    "perl": script("perl", "load.pl", bench.PERL),
    "git": git,
    "sqlite3": lambda folder: for_ever(
        f"sqlite3 :memory: <{written(folder, 'load.sql', SQL)} >/dev/null"
    ),
    "openssl": lambda folder: for_ever(
        "openssl speed -seconds 1 rsa2048 ecdsap256 sha256 >/dev/null 2>&1"
    ),
    real_name("redis-server"): redis,
    "postgres": postgres,
    "node": script("node", "load.js", NODE),
    "goload": built("GOCACHE=$PWD/cache go build -o {out} {source}", "goload", GO_LOAD, "go"),
    "rustload": built("rustc -O -o {out} {source}", "rustload", RUST_LOAD, "rs"),
    "compile": go,
    "rustc": lambda folder: for_ever(
        f"rustc -O -o {folder}/load {written(folder, 'load.rs', RUST)}"
    ),
    "bash": lambda folder: "exec bash -c '"
    + for_ever("for i in 1 2 3 4 5 6 7 8 9; do x=$(echo $i | tr 0-4 5-9); [[ $x =~ [5-9]+ ]]; done")
    + "'",
}

# Where less than 99.5 % of the stacks can come to their root, and why.
LEAST = {
    # Some of its stacks are deeper than 256 frames.
    "compile": 97,
    # Each rustc is new, and half of its stacks are larger than what a first sample brings along.
    "rustc": 85,
}
