public import HopyardUserland

/// How one expectation of a scenario came out.
public struct ExpectationResult: Sendable {
  /// Its place in the file.
  public var location: SourceLocation
  /// What was expected, in words.
  public var title: String
  /// What was seen instead, line by line; empty if it holds.
  public var difference: String
  /// Why it should hold, in the file's own words; or empty.
  public var because: String

  /// Whether it holds.
  public var holds: Bool { difference.isEmpty }
}

/// How a scenario came out.
public struct ScenarioResult: Sendable {
  /// The file.
  public var file: String
  /// The expectations in order.
  public var expectations: [ExpectationResult] = []
  /// Why the run did not come to its end, or nil.
  public var failure: String?
  /// Where it stopped, if it did.
  public var failureLocation: SourceLocation?
  /// What had to be assumed, each once.
  public var assumptions: [String] = []
  /// How long it took in virtual time, in nanoseconds.
  public var duration: Int64 = 0

  /// Makes the result of a scenario that did not run yet, or could not.
  public init(file: String) { self.file = file }

  /// Whether it ran to its end and all expectations hold.
  public var passed: Bool { failure == nil && expectations.allSatisfy(\.holds) }

  /// What does not hold, with what was expected and seen.
  public var text: String {
    var text = ""
    if let failure {
      let place = failureLocation.map { ":\($0)" } ?? ""
      text += "\(file)\(place): \(failure)\n"
    }
    for expectation in expectations where !expectation.holds {
      text += "\(file):\(expectation.location): expected \(expectation.title)\n"
      if !expectation.because.isEmpty { text += "    because \(expectation.because)\n" }
      for line in expectation.difference.split(separator: "\n", omittingEmptySubsequences: false) {
        text += line.isEmpty ? "" : "    \(line)\n"
      }
    }
    return text
  }
}
