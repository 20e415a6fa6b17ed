import HopyardSimulator
import HopyardUserland
import Testing

struct ShellTests {
  @Test(arguments: BashCase.all)
  func `prints what bash prints`(_ one: BashCase) {
    let result = runShell(one.script)
    #expect(result.output == one.output)
  }

  @Test func `the cases are there`() {
    #expect(BashCase.all.count > 60)
  }

  @Test(arguments: [
    ("echo a\nif true; then\n  echo b\n", "test.lab:4:1: the text ends here"),
    ("echo 'a", "test.lab:1:6: the quote ' does not end"),
    ("echo \"é\" ; ; echo", "test.lab:1:12: unexpected `;'"),
    ("done", "test.lab:1:1: unexpected `done'"),
    ("for 1 in a; do echo; done", "test.lab:1:6: unexpected"),
    ("echo a | | b", "test.lab:1:10: unexpected `|'"),
    ("echo $(ls", "test.lab:1:6: `$(' does not end"),
    ("echo ${a!}", "test.lab:1:9: unexpected `!' in `${…}'"),
    ("cat <<EOF\nx", "test.lab:1:7: the here-document does not end"),
    ("a=(1 2)", "test.lab:1:3: arrays are not modelled"),
    ("echo a >", "test.lab:1:9: the text ends here"),
    ("echo $((1+))", "test.lab:1:9: 1+: syntax error: operand expected"),
    ("echo {1..999999999}", "test.lab:1:7: the braces make more than"),
    ("nosuch a b", "test.lab:1:1: the command `nosuch' is not modelled"),
    ("true && x=$(echo a | nosuch)", "test.lab:1:22: the command `nosuch' is not modelled"),
    ("sh -c 'echo a; nosuch'", "test.lab:1:16: the command `nosuch' is not modelled"),
    ("sudo timeout 1 nosuch", "test.lab:1:16: the command `nosuch' is not modelled"),
    ("sort -M f", "test.lab:1:6: the option -M is not modelled"),
    ("tail --follow f", "test.lab:1:6: the option --follow is not modelled"),
    ("set -o vi", "test.lab:1:8: `set -o vi' is not modelled"),
    ("trap x EXIT", "test.lab:1:1: the shell's `trap' is not modelled"),
    ("sed 's/a/b/; h'", "test.lab:1:14: sed: the command `h' is not modelled"),
    ("awk '{ system(\"x\") }'", "test.lab:1:8: awk: `system' is not modelled"),
    ("date", "test.lab:1:1: `date' is not modelled"),
    ("cat <(echo a)", "test.lab:1:5: process substitution is not modelled"),
    ("echo a\r", "test.lab:1:7: a carriage return"),
  ])
  func `says where a lab is wrong`(_ text: String, _ problem: String) {
    let problems = checkShell(text)
    #expect(problems.first?.hasPrefix(problem) == true, "\(problems)")
  }

  @Test(arguments: [
    "f() { g; }; g() { echo; }; f", "x=echo; $x a", "$(echo echo) b", "sort -@ f",
    "timeout x y=1 || true",
    "cat nofile", "for i in {1..5}; do echo $i; done", "# only a comment", "",
  ])
  func `takes what only shows at run time`(_ text: String) {
    #expect(checkShell(text).filter { !$0.contains("y=1") }.isEmpty)
  }

  @Test func `a refusal at run time ends the run with its place`() {
    let result = runShell("echo before\nx=nosuch\n  $x a\necho after\n")
    #expect(result.output == "before\n")
    guard case .refused(let problem) = result.ending else {
      Issue.record("\(result.ending)")
      return
    }
    #expect(problem.description == "test.lab:3:3: the command `nosuch' is not modelled")
    #expect(result.ending.exitStatus == 2)
  }

  @Test(arguments: [
    ("sleep 2.5", Int64.milliseconds(2_501 + 250)),
    ("sleep 3 &", Int64.milliseconds(250)),
    ("sleep 3 & wait", Int64.milliseconds(3_001 + 250)),
    ("sleep 1 & sleep 2 | cat; wait", Int64.milliseconds(2_001 + 250)),
    ("timeout 1 sleep 5", Int64.milliseconds(1_001 + 250)),
    ("echo a; x=1; [ $x = 1 ]", Int64.milliseconds(250)),
  ])
  func `takes virtual time`(_ text: String, _ time: Int64) {
    let result = runShell(text)
    #expect(result.ending == .finished)
    #expect(abs(result.time - LabRunner.linePause - time) < .milliseconds(1), "\(result.time)")
  }

  @Test(arguments: [
    ("set -e\nfalse\necho x", LabEnding.exited(1), Int32(1)), ("exit 0", .exited(0), 0),
    ("exit 7", .exited(7), 1), ("false", .finished, 0),
    ("while true; do :; done", .timeLimit, 1), ("f() { f; }; f", .finished, 2),
    ("cat /dev/zero >/dev/null", .timeLimit, 1), ("sleep 4000", .timeLimit, 1),
    ("yes | cat >/dev/null", .eventBudget, 1),
  ])
  func `ends as it should`(_ text: String, _ ending: LabEnding, _ status: Int32) {
    let result = runShell(text)
    #expect(result.ending.exitStatus == status)
    if status < 2 { #expect(result.ending == ending) }
  }

  @Test func `a background command prints into the line that started it`() {
    let simulation = Simulation(seed: 1)
    let machine = Machine(simulation: simulation)
    let commands = CommandTable()
    commands.addStandardCommands()
    let userland = Userland(machine: machine, commands: commands)
    let source = ShellSource(name: "t", text: "(sleep 0.1; echo late) &\necho now\nsleep 0.2\n")
    let runner = LabRunner(source: source, userland: userland)
    #expect(runner.run() == .finished)
    let outputs = runner.session.lines.indices.map {
      String(decoding: runner.session.output(of: $0), as: UTF8.self)
    }
    #expect(outputs == ["late\n", "now\n", ""])
    #expect(runner.session.lines.map(\.number) == [1, 2, 3])
    runner.session.close()
    #expect(userland.running.isEmpty)
  }

  @Test func `a handled signal does not end a process`() {
    let result = runShell("timeout 0.5 timeout 3 sleep 9; echo $?")
    #expect(result.output == "124\n")
  }
}
