import HopyardSimulator
import HopyardUserland

/// A machine without links on which text runs as a lab.
func runShell(_ text: String, seconds: Int64 = 3_600) -> (
  output: String, ending: LabEnding, time: Int64
) {
  let simulation = Simulation(seed: 1)
  let machine = Machine(simulation: simulation)
  let commands = CommandTable()
  commands.addStandardCommands()
  let userland = Userland(machine: machine, commands: commands)
  let source = ShellSource(name: "test.lab", text: text)
  let problems = LabRunner.check(source, commands: commands)
  if let first = problems.first { return (first.description, .refused(first), 0) }
  let runner = LabRunner(source: source, userland: userland)
  runner.limit = Instant(nanoseconds: .seconds(seconds))
  runner.eventBudget = 100_000
  let ending = runner.run()
  let time = simulation.now.nanoseconds
  var output: [UInt8] = []
  for index in runner.session.lines.indices { output += runner.session.output(of: index) }
  runner.session.close()
  return (String(decoding: output, as: UTF8.self), ending, time)
}

/// What is wrong with a lab, before it runs.
func checkShell(_ text: String) -> [String] {
  let commands = CommandTable()
  commands.addStandardCommands()
  return LabRunner.check(ShellSource(name: "test.lab", text: text), commands: commands)
    .map(\.description)
}
