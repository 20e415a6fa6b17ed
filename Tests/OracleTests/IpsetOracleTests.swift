import Foundation
import Hopyard
import LabSupport
import Testing

/// The scripts of the ipset project: commands in order, each with the exit status it must have.
@Suite struct IpsetOracleTests {
  private struct Step {
    var command: String
    var status: String
  }

  @Test(.oracle("ipset/cases.json"))
  func scriptsEndAsTheyShould() throws {
    let file = "ipset/cases.json"
    var tally = OracleTally(file)
    var steps = 0
    var passed = 0
    for script in try Oracles.json(file)["files"]?.elements ?? [] {
      let name = script["file"]?.string ?? "?"
      let all = (script["steps"]?.elements ?? []).map { Self.step($0) }
      if all.contains(where: { $0.command.contains("./sendip.sh") }) {
        tally.note(name, .skip("sends packets with a program of its own"))
        continue
      }
      let outcome = run(all)
      steps += outcome.run
      passed += outcome.run - outcome.wrong.count
      if let first = outcome.wrong.first {
        tally.note(name, .fail("\(outcome.wrong.count) steps: " + first))
      } else {
        tally.note(name, .pass)
      }
    }
    print("oracle \(file): \(passed) of \(steps) steps end as they should")
    tally.finish()
  }

  private static func step(_ value: JSONValue) -> Step {
    Step(command: value["cmd"]?.string ?? "", status: value["rc"]?.string ?? "0")
  }

  /// Runs the steps that need no program or file of the ipset project itself.
  private func run(_ steps: [Step]) -> (run: Int, wrong: [String]) {
    var usable: [Step] = []
    // What was restored from a file that is not here is missing until the sets are made anew.
    var lacksEntries = false
    for step in steps where step.status != "skip" {
      let isUsable = Self.isSelfContained(step.command)
      if !isUsable, step.command.contains("restore") || step.command.contains("-R") {
        lacksEntries = true
      }
      if lacksEntries, Self.destroysSets(step.command) {
        // The set may have been in the file too, so that either outcome is right.
        lacksEntries = false
        usable.append(Step(command: step.command, status: "any"))
        continue
      }
      if isUsable, !lacksEntries { usable.append(step) }
    }
    let simulation = Simulation(seed: 1)
    let machine = Machine(simulation: simulation)
    let commands = CommandTable.labCommands()
    let userland = Userland(machine: machine, commands: commands)
    let text = usable.map(\.command).joined(separator: "\n") + "\n"
    let runner = LabRunner(source: ShellSource(name: "script", text: text), userland: userland)
    let ending = runner.run()
    defer { runner.session.close() }
    var wrong: [String] = []
    for (place, step) in usable.enumerated() {
      guard place < runner.session.lines.count else {
        wrong.append("\(step.command): not reached (\(ending))")
        break
      }
      let status = runner.session.lines[place].status
      if step.status != "any", (status == 0) != (step.status == "0") {
        wrong.append("\(step.command): status \(status), expected \(step.status)")
      }
    }
    return (usable.count, wrong)
  }

  private static func destroysSets(_ command: String) -> Bool {
    let words = command.split(separator: " ")
    return words.count > 1 && words[0] == "ipset" && ["x", "-X", "destroy"].contains(words[1])
  }

  private static func isSelfContained(_ command: String) -> Bool {
    let foreign = ["./", "diff ", ".foo", "iphash.t.restore", "restore.t.", "resize-test"]
    return !foreign.contains { command.contains($0) }
  }
}
