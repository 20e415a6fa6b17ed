import ArgumentParser
import Hopyard

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// `hopyard shell`.
struct ShellCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shell",
    abstract: "Give a prompt in the simulated host, after a lab if one is named.",
    discussion: """
      The same commands as in labs; variables, background jobs and virtual time go
      on from line to line. `history' lists the lines typed; `exit' or Control-D
      leaves.
      """
  )

  @Argument(help: "A lab to run first.", completion: .file(extensions: ["lab"]))
  var file: String?

  @OptionGroup var lab: LabArguments

  @Option(help: "Write a pcap for each interface into this folder.", completion: .directory)
  var pcap: String?

  func run() throws {
    let source = try file.map { try LabFile.read($0) } ?? ShellSource(name: "shell", text: "")
    let lab = Lab(source: source, options: self.lab.options)
    lab.userland.commands.addDocker()
    let problems = lab.problems
    guard problems.isEmpty else {
      for problem in problems { Standard.error("\(problem)\n") }
      throw ExitCode(2)
    }
    let captures = CaptureFanout(pcap.map { [PcapDirectoryTap(directory: $0)] } ?? [])
    if pcap != nil { lab.simulation.tap = captures }
    lab.runner.session.onOutput = { Standard.output($0) }
    let ending = lab.run()
    Standard.flush()
    if case .refused(let problem) = ending {
      Standard.error("\(problem)\n")
      throw ExitCode(2)
    }
    if ending == .finished { converse(lab, captures) }
    lab.close()
    captures.finish()
    Standard.flush()
    if let failure = captures.failure {
      Standard.error("\(failure)\n")
      throw ExitCode(2)
    }
  }

  private func converse(_ lab: Lab, _ captures: CaptureFanout) {
    let isTerminal = isatty(0) != 0
    let editor = LineEditor()
    var number = 0
    while true {
      let seconds = Double(lab.simulation.now.nanoseconds / 1_000_000) / 1000
      guard var text = editor.read(prompt: isTerminal ? "[\(seconds) s] host# " : "") else { break }
      // A loop or a here-document goes on until it is whole.
      while ShellSource(name: "shell", text: text).needsMore,
        let more = editor.read(prompt: isTerminal ? "> " : "")
      {
        text += "\n" + more
      }
      let trimmed = text.drop { $0 == " " }
      if trimmed.isEmpty { continue }
      if trimmed == "history" {
        for (index, line) in editor.history.enumerated() {
          Standard.output("\(index + 1)  \(line)\n")
        }
        Standard.flush()
        continue
      }
      number += 1
      let source = ShellSource(name: "line \(number)", text: text)
      let problems = LabRunner.check(source, commands: lab.userland.commands)
      if !problems.isEmpty {
        for problem in problems { Standard.error("\(problem)\n") }
        continue
      }
      let watch = RunWatch(simulation: lab.simulation, captures: captures)
      watch.start()
      var ending: LabEnding?
      for line in source.logicalLines() where ending == nil {
        ending = lab.runner.session.run(
          line,
          of: source,
          until: nil,
          eventBudget: lab.options.eventBudget
        )
      }
      watch.end()
      captures.flush()
      Standard.flush()
      switch ending {
      case .exited: return
      case .refused(let problem):
        Standard.error("\(problem)\n")
        return
      case nil, .finished: break
      case .some(let other): Standard.error("\(other)\n")
      }
    }
    if isTerminal { Standard.output("\n") }
  }
}
