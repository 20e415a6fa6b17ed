import ArgumentParser
import Dispatch
import Foundation
import Hopyard

/// `hopyard test`.
struct TestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test",
    abstract: "Run all scenarios of a folder and say which expectations fail.",
    discussion: """
      Runs each NAME.yaml that is a scenario, several at once. Exit status 0: all
      passed; 1: an expectation failed; 2: a file is no valid scenario.
      """
  )

  @Argument(help: "Folders or files.", completion: .directory)
  var paths: [String]

  @Option(help: "Only files whose path contains this.")
  var filter: String?

  @Option(help: "Write the results as JUnit XML.", completion: .file())
  var junit: String?

  @Option(help: "How many run at once; as many as there are processors by default.")
  var jobs: Int?

  func run() throws {
    var files: [String] = []
    for path in paths {
      for file in Folder.files(path) where file.hasSuffix(".yaml") || file.hasSuffix(".yml") {
        if let filter, !file.contains(filter) { continue }
        let source = try LabFile.read(file)
        if case .scenario = InputKind(source) { files.append(file) }
      }
    }
    let outcomes = Outcomes(count: files.count)
    let queue = JobQueue(files)
    let count = max(1, min(files.count, jobs ?? ProcessInfo.processInfo.activeProcessorCount))
    let group = DispatchGroup()
    for _ in 0..<count {
      group.enter()
      let thread = Thread {
        while let (index, file) = queue.next() { outcomes.set(index, Self.outcome(of: file)) }
        group.leave()
      }
      // Shell functions may nest deeply.
      thread.stackSize = 64 << 20
      thread.start()
    }
    group.wait()
    try report(files, outcomes)
  }

  private static func outcome(of file: String) -> Outcome {
    do throws(Problem) {
      let network = try Network(file: file)
      defer { network.close() }
      return .result(try network.run())
    } catch {
      return .problem(error)
    }
  }

  private func report(_ files: [String], _ outcomes: Outcomes) throws {
    var results: [ScenarioResult] = []
    var failures = 0
    var problems = 0
    for (index, file) in files.enumerated() {
      switch outcomes[index] {
      case .result(let result):
        results.append(result)
        if !result.passed { failures += 1 }
        let held = result.expectations.count { $0.holds }
        let word = result.passed ? "ok  " : "FAIL"
        Standard.output("\(word) \(file) (\(held) of \(result.expectations.count) expectations)\n")
        Standard.output(result.text)
        if GitHub.isRunning { Standard.output(result.annotations) }
      case .problem(let problem):
        problems += 1
        Standard.output("BAD  \(file)\n\(problem)\n")
        var result = ScenarioResult(file: problem.file)
        result.failure = problem.message
        result.failureLocation = problem.location
        results.append(result)
        if GitHub.isRunning { Standard.output(result.annotations) }
      case nil: problems += 1
      }
    }
    Standard.output("\(files.count - failures - problems) of \(files.count) scenarios passed\n")
    if let junit { try OutputFile.write(JUnitReport.text(results), to: junit) }
    Standard.flush()
    if problems > 0 { throw ExitCode(2) }
    if failures > 0 { throw ExitCode(1) }
  }
}

/// How a scenario file came out.
private enum Outcome: Sendable {
  case result(ScenarioResult)
  case problem(Problem)
}

/// The outcomes by the files' numbers, written by several threads.
private final class Outcomes: @unchecked Sendable {
  private let lock = NSLock()
  private var list: [Outcome?]

  init(count: Int) { list = Array(repeating: nil, count: count) }

  func set(_ index: Int, _ outcome: Outcome) { lock.withLock { list[index] = outcome } }

  subscript(index: Int) -> Outcome? { lock.withLock { list[index] } }
}

/// Gives files to threads, each once.
private final class JobQueue: @unchecked Sendable {
  private let lock = NSLock()
  private let files: [String]
  private var index = 0

  init(_ files: [String]) { self.files = files }

  func next() -> (Int, String)? {
    lock.withLock {
      guard index < files.count else { return nil }
      index += 1
      return (index - 1, files[index - 1])
    }
  }
}
