import ArgumentParser
import Hopyard

/// `hopyard check`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Say what is wrong or not modelled in a lab, without running it.",
    discussion: """
      Prints file:line:column and what was found for each problem, and exits with 2
      if there is one. What only shows at run time ($command) is not looked at.
      """
  )

  @Argument(help: "The labs; - reads standard input.", completion: .file(extensions: ["lab"]))
  var files: [String]

  func run() throws {
    var count = 0
    for file in files {
      let source = try LabFile.read(file)
      let problems = Lab(source: source).problems
      for problem in problems { Standard.error("\(problem)\n") }
      count += problems.count
    }
    if count > 0 { throw ExitCode(2) }
  }
}
