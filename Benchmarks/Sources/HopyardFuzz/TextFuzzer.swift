import Hopyard

/// Checks mutated labs and rule dumps, and runs some of them.
struct TextFuzzer {
  let seed: UInt64
  let corpus: TextCorpus

  /// How long one text may take.
  private static let limit: UInt32 = 20

  func runLabs(count: Int) throws {
    var random = FuzzRandom(seed: seed)
    var mutator = TextMutator(seed: seed &+ 1, words: TextCorpus.words)
    var tally = Tally()
    for index in 0..<count {
      let text = mutator.mutate(random.pick(corpus.labs), with: random.pick(corpus.labs))
      try check(text, "lab \(index), seed \(seed)", runs: random.once(in: 10), &tally)
    }
    print("labs         \(count) checked: \(tally)")
  }

  func runDumps(count: Int) throws {
    var random = FuzzRandom(seed: seed &+ 2)
    var source = RuleDumpSource(seed: seed &+ 3)
    var mutator = TextMutator(seed: seed &+ 4, words: TextCorpus.words)
    var tally = Tally()
    for index in 0..<count {
      var dump = Array(source.next().utf8)
      if !corpus.dumps.isEmpty, random.once(in: 2) { dump = random.pick(corpus.dumps) }
      if !random.once(in: 20) { dump = mutator.mutate(dump, with: Array(source.next().utf8)) }
      let text =
        Array("iptables-restore <<'END_OF_RULES'\n".utf8) + dump
        + Array("\nEND_OF_RULES\niptables-save\niptables-legacy-save\n".utf8)
      try check(text, "rules \(index), seed \(seed)", runs: true, &tally)
    }
    print("rule dumps   \(count) loaded: \(tally)")
  }

  private struct Tally: CustomStringConvertible {
    var refused = 0
    var accepted = 0
    var ran = 0
    var failedLines = 0
    var endings: [String: Int] = [:]
    var example = ""

    var description: String {
      let kinds = endings.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
      return "\(refused) refused with a place, \(accepted) accepted, \(ran) run "
        + "(\(kinds.joined(separator: ", ")); \(failedLines) commands failed)"
        + (example.isEmpty ? "" : "\n  the last refusal: \(example)")
    }
  }

  private func check(
    _ text: [UInt8],
    _ name: String,
    runs: Bool,
    _ tally: inout Tally
  ) throws {
    CrashGuard.enter(text, label: name, seconds: Self.limit)
    var options = Lab.Options()
    options.limit = Instant(nanoseconds: .seconds(10))
    options.eventBudget = 100_000
    let lab = Lab(source: ShellSource(name: "fuzz.lab", bytes: text), options: options)
    let problems = lab.problems
    let lines = text.reduce(1) { $1 == 10 ? $0 + 1 : $0 }
    for problem in problems {
      let place = problem.location
      guard (1...lines).contains(place.line), place.column >= 1, !problem.message.isEmpty else {
        throw FuzzFailure("\(name): a problem without a place: \(problem)")
      }
    }
    if let problem = problems.last {
      tally.refused += 1
      tally.example = "\(problem)"
    } else {
      tally.accepted += 1
    }
    if runs && problems.isEmpty {
      tally.ran += 1
      let ending = lab.run()
      tally.failedLines += lab.runner.session.lines.filter { $0.status != 0 }.count
      tally.endings[Self.word(ending), default: 0] += 1
      lab.close()
    }
    CrashGuard.leave()
  }

  private static func word(_ ending: LabEnding) -> String {
    switch ending {
    case .finished: "finished"
    case .exited: "exited"
    case .refused: "refused"
    case .timeLimit: "out of time"
    case .eventBudget: "out of events"
    case .stuck: "stuck"
    case .interrupted: "interrupted"
    case .foreignThread: "foreign thread"
    }
  }
}
