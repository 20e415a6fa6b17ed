import HopyardContainers
import HopyardSimulator
public import HopyardUserland

extension Network {
  /// Runs the steps and looks at the expectations.
  @discardableResult
  public func run() throws(Problem) -> ScenarioResult {
    var result = ScenarioResult(file: scenario.file)
    result.assumptions = assumptions
    try runSteps(&result)
    if result.failure == nil {
      for (number, expectation) in scenario.expectations.enumerated() {
        result.expectations.append(try check(expectation, number))
      }
    }
    result.duration = simulation.now.nanoseconds
    return result
  }

  /// Runs the steps, up to a virtual time if one is given.
  func runSteps(_ result: inout ScenarioResult, until end: Int64? = nil) throws(Problem) {
    let limit = min(end ?? scenario.limit, scenario.limit)
    for step in scenario.steps {
      let endpoint = try place(of: step)
      if let start = step.start, start > simulation.now.nanoseconds {
        if let end, start > end { break }
        pass(nanoseconds: start - simulation.now.nanoseconds)
      }
      if let end, simulation.now.nanoseconds >= end { break }
      let begin = simulation.now
      let source = ScenarioShell.source(of: step.run, isBackground: step.isBackground)
      let done = try run(source, at: endpoint)
      records.append(StepRecord(step: step, result: done, start: begin, end: simulation.now))
      if let failure = done.failure {
        result.failure = failure
        result.failureLocation = step.run.node.location
        return
      }
    }
    if let end, end > simulation.now.nanoseconds {
      pass(nanoseconds: min(end, limit) - simulation.now.nanoseconds)
    } else if end == nil {
      // What is on its way arrives, as at the end of a lab.
      pass(nanoseconds: LabRunner.settlingTime)
    }
  }

  /// Runs the steps until a virtual time, or all of them, for what comes after.
  public func runSteps(until time: Int64? = nil) throws(Problem) {
    var result = ScenarioResult(file: scenario.file)
    try runSteps(&result, until: time)
    if let failure = result.failure {
      throw Problem(
        file: scenario.file,
        location: result.failureLocation ?? SourceLocation(line: 1, column: 1),
        message: failure
      )
    }
  }

  /// What is wrong or not modelled in the steps, found without running them.
  public var problems: [Problem] {
    var problems: [Problem] = []
    for step in scenario.steps {
      do throws(Problem) {
        let endpoint = try place(of: step)
        let source = ScenarioShell.source(of: step.run)
        problems += LabRunner.check(source, commands: endpoint.userland.commands)
      } catch {
        problems.append(error)
      }
    }
    for expectation in scenario.expectations {
      do throws(Problem) {
        switch expectation.claim {
        case .reachable(let flow), .refused(let flow), .dropped(let flow):
          _ = try require(flow.from, in: flow.namespace)
        case .counter(let counter): _ = try require(counter.on, in: counter.namespace)
        case .resolves(_, let from, let namespace, _): _ = try require(from, in: namespace)
        default: break
        }
      } catch {
        problems.append(error)
      }
    }
    return problems
  }

  private func place(of step: Scenario.Step) throws(Problem) -> NetworkPlace {
    if let on = step.on { return try require(on, in: step.namespace) }
    if machines.count == 1, let only = machines.first {
      guard let namespace = step.namespace else { return only }
      return try require(Scenario.Text(text: only.name, node: step.node), in: namespace)
    }
    throw step.node.problem(
      "the step needs `on' with one of " + names.joined(separator: ", ")
    )
  }
}
