import ArgumentParser
import Hopyard

/// `hopyard check`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Say what is wrong or not modelled in a lab or scenario, without running it.",
    discussion: """
      Prints file:line:column and what was found for each problem, and exits with 2
      if there is one. What only shows at run time ($command) is not looked at.
      """
  )

  @Argument(
    help: "The labs or scenarios; - reads a lab from standard input.",
    completion: .file(extensions: ["lab", "yaml"])
  )
  var files: [String]

  func run() throws {
    var count = 0
    for file in files {
      let source = try LabFile.read(file)
      let problems = problems(in: source)
      for problem in problems { Standard.error("\(problem)\n") }
      count += problems.count
    }
    if count > 0 { throw ExitCode(2) }
  }

  private func problems(in source: ShellSource) -> [Problem] {
    switch InputKind(source) {
    case .lab:
      let lab = Lab(source: source)
      lab.userland.commands.addDocker()
      return lab.problems
    case .compose:
      do throws(Problem) {
        _ = try ComposeFileRun.project(source)
        return []
      } catch {
        return [error]
      }
    case .scenario, .manifests:
      do throws(Problem) {
        let network = try NetworkInput.network(of: source)
        defer { network.close() }
        return network.problems
      } catch {
        return [error]
      }
    case .rules:
      do throws(Problem) {
        _ = try Firewall(dump: String(decoding: source.bytes, as: UTF8.self), name: source.name)
        return []
      } catch {
        return [error]
      }
    }
  }
}
