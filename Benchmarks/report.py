"""What scripts/bench found: as text, as JSON, as Markdown for docs/performance.md, and held against the bars."""
import datetime
import json

import machine
import peers
import rpc


class Report:
    def __init__(self, servers):
        self.servers = servers
        self.missed = []
        self.data = {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine.description(),
            "versions": {server.name: server.version for server in servers},
            "scenarios": {}, "bars": [],
        }
        self.markdown = []

    def bar(self, name, value, limit, at_most=True):
        good = value <= limit if at_most else value >= limit
        word = "at most" if at_most else "at least"
        print(f"  bar: {name}: {word} {limit:g}: {value:.2f} {'met' if good else 'MISSED'}", flush=True)
        self.data["bars"].append({"name": name, "value": value, word.replace(" ", "_"): limit, "met": good})
        if not good:
            self.missed.append(f"{name} is {value:.2f}, {word} {limit:g}")

    def scenario(self, scenario, figures):
        bare = figures[peers.BARE]["cpu_us"].median
        print(f"\n{scenario.title}; server on core 0, load on core 1; medians (least-most)")
        print(f"  {'server':<20}{'CPU us a ' + scenario.unit:>30}{'x bare C':>10}{scenario.unit + 's/s':>14}{'busy':>6}{'p50 us':>10}"
              f"{'p99 us at half load':>32}")
        rows = []
        for server in self.servers:
            f = figures[server.name]
            cpu, rate, p50, p99 = (f[key] for key in ("cpu_us", "per_second", "p50_us", "p99_us"))
            print(f"  {server.name:<20}{f'{cpu.median:.3f} ({cpu.low:.3f}-{cpu.high:.3f})':>30}{cpu.median / bare:>10.2f}"
                  f"{rate.median:>14,.0f}{f['server_busy'].median:>6.0%}{p50.median:>10,.0f}"
                  f"{f'{p99.median:,.0f} ({p99.low:,.0f}-{p99.high:,.0f})':>32}", flush=True)
            rows.append(f"| {server.name} | {significant(cpu.median)} ({significant(cpu.low)}-{significant(cpu.high)}) "
                        f"| {cpu.median / bare:.2f} | {rate.median:,.0f} | {p50.median:,.0f} | {p99.median:,.0f} ({p99.low:,.0f}-{p99.high:,.0f}) |")
        self.markdown += [f"{scenario.title}:", "",
                          f"| server | CPU us a {scenario.unit} | x bare C | {scenario.unit}s/s | p50 us at half load | p99 us |",
                          "|---|---|---|---|---|---|", *rows, ""]
        self.data["scenarios"][scenario.name] = {
            name: {key: vars(figure) for key, figure in f.items()} for name, f in figures.items()}
        for what in rpc.bars(scenario, figures, self.servers):
            self.bar(*what)

    def attacks(self, found):
        """{attack: (p99 us with it, p99 us without)}."""
        self.data["attacks"] = {name: {"p99_us": under, "p99_us_without": without} for name, (under, without) in found.items()}
        self.markdown += ["| while | p99 us of a good client | without | ratio |", "|---|---|---|---|"]
        for name, (under, without) in found.items():
            self.markdown.append(f"| {name} | {under:,.0f} | {without:,.0f} | {under / without:.2f} |")
            self.bar(f"{name}: p99 over that without an attack", under / without, 2)
        self.markdown.append("")

    def admission(self, costs):
        cost = costs[True].median - costs[False].median
        print(f"\nA unary RPC with all interceptors: {costs[True].median:.3f} us, with none: {costs[False].median:.3f} us")
        self.data["admission"] = {"with": vars(costs[True]), "without": vars(costs[False])}
        self.bar("CPU us of admitting a call whose credential is remembered", cost, 1)
        self.markdown += [f"All interceptors together cost a unary RPC {cost:.2f} us of {costs[True].median:.2f}.", ""]

    def flood(self, found, refusal_us):
        """{times the rate: (p99 us with the flood, p99 us without)}, and CPU us a refusal."""
        print(f"\nA call that is refused costs trellisd {refusal_us:.1f} us")
        self.data["flood"] = {str(times): {"p99_us": under, "p99_us_without": without} for times, (under, without) in found.items()}
        self.data["flood"]["refusal_us"] = refusal_us
        self.markdown += ["| while another tenant calls | p99 us of a neighbour | without | ratio |", "|---|---|---|---|"]
        for times, (under, without) in found.items():
            self.markdown.append(f"| {times} times its rate | {under:,.0f} | {without:,.0f} | {under / without:.2f} |")
            self.bar(f"p99 of a neighbour of a tenant at {times} times its rate, over that without", under / without, 1.5)
        self.markdown += ["", f"A call that is refused costs trellisd {refusal_us:.1f} us of CPU.", ""]

    def loops(self, costs, spread):
        ratio = costs[2].median / costs[1].median
        print(f"\nTwo loops: {costs[2].median:.2f} us a unary RPC, one loop: {costs[1].median:.2f} us; 100 connections are"
              f" {' + '.join(map(str, spread))}")
        self.data["loops"] = {"cpu_us": {str(n): vars(figure) for n, figure in costs.items()}, "connections": spread}
        self.bar("CPU of two loops over one", ratio, 1.1)
        self.bar("connections of the fuller loop over its share", max(spread) / (sum(spread) / len(spread)), 1.02)
        self.markdown += [f"Two loops cost {ratio:.2f} times the CPU an RPC of one.", ""]

    def memory(self, results):
        counts = list(next(iter(results.values()))["connection"])
        print("\nResident memory; a connection has made a call and is silent")
        heads = [f"KiB each of {count:,}" for count in counts]
        print(f"  {'server':<20}{'idle MiB':>10}" + "".join(f"{head:>20}" for head in heads))
        self.markdown += ["| server | idle MiB | " + " | ".join(heads) + " |", "|---|---|" + "---|" * len(heads)]
        for name, result in results.items():
            each = [result["connection"][count] / 1024 for count in counts]
            print(f"  {name:<20}{result['idle'] / 2**20:>10.1f}" + "".join(f"{value:>20.1f}" for value in each), flush=True)
            self.markdown.append(f"| {name} | {result['idle'] / 2**20:.1f} | " + " | ".join(f"{value:.1f}" for value in each) + " |")
        self.markdown.append("")
        self.data["memory"] = results
        for count in counts:
            self.bar(f"KiB a connection of {count:,}", results[peers.OURS]["connection"][count] / 1024, 20)

    def end(self):
        """Writes the files, and says what was missed."""
        noise = rpc.Disturbances
        self.data["disturbed"] = {"repeated_runs": noise.repeated, "worst_other_cores": noise.worst}
        folder = peers.BUILD
        (folder / "results.json").write_text(json.dumps(self.data, indent=1) + "\n")
        m = self.data["machine"]
        head = (f"{m['processor']}, {m['cores']} cores, {m['system']}, Swift {m['swift']}, {self.data['date'][:10]}; "
                + ", ".join(f"{name} {version}" for name, version in self.data["versions"].items()
                            if name != peers.OURS) + ".")
        (folder / "results.md").write_text("\n".join([head, "", *self.markdown]))
        print(f"\n{noise.repeated} runs were done again because other programs took CPU; the worst that was kept: {noise.worst:.2f} cores")
        if noise.worst > rpc.NOISE:
            print("  The machine was not quiet: the figures are rough.")
        print(f"written: {folder}/results.json, {folder}/results.md")
        if self.missed:
            raise SystemExit("missed: " + "; ".join(self.missed))


def significant(value):
    """Three figures."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
