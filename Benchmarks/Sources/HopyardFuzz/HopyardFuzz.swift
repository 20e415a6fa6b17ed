import Foundation

/// Throws random and mutated frames, lab files and rule dumps at Hopyard.
@main
struct HopyardFuzz {
  static let usage = """
    usage: HopyardFuzz [--count N] [--seed N] [--only frames,labs,rules,tcp] [--output DIR] [FOLDER...]

    N frames go into each kind of device, a tenth as many texts are checked, and a hundredth as many
    TCP transfers run over a wire that loses, doubles and reorders frames; every FOLDER is
    searched for .lab and .save files to mutate. The same seed gives the same inputs. A crash or a
    hang leaves the input in DIR.
    """

  struct Options {
    var count = 1_000_000
    var seed: UInt64 = 1
    var only: Set<String> = ["frames", "labs", "rules", "tcp"]
    var output = "fuzz"
    var folders: [String] = []
  }

  static func main() {
    guard let options = parse(Array(CommandLine.arguments.dropFirst())) else {
      complain(usage)
      exit(2)
    }
    do {
      try FileManager.default.createDirectory(
        atPath: options.output,
        withIntermediateDirectories: true
      )
    } catch {
      complain("fuzz: \(options.output): \(error.localizedDescription)")
      exit(2)
    }
    CrashGuard.install(saving: "\(options.output)/input-\(options.seed)")
    do {
      if options.only.contains("frames") {
        try FrameFuzzer(seed: options.seed).run(count: options.count)
      }
      if options.only.contains("tcp") {
        try TransferFuzzer(seed: options.seed).run(count: max(options.count / 100, 1))
      }
      let texts = TextFuzzer(seed: options.seed, corpus: TextCorpus(folders: options.folders))
      if options.only.contains("labs") { try texts.runLabs(count: options.count / 20) }
      if options.only.contains("rules") { try texts.runDumps(count: options.count / 20) }
    } catch {
      complain("fuzz: \(error)")
      CrashGuard.save()
      exit(1)
    }
  }

  private static func parse(_ arguments: [String]) -> Options? {
    var options = Options()
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("--") else {
        options.folders.append(argument)
        continue
      }
      guard let value = rest.popFirst() else { return nil }
      switch argument {
      case "--count":
        guard let count = Int(value), count > 0 else { return nil }
        options.count = count
      case "--seed":
        guard let seed = UInt64(value) else { return nil }
        options.seed = seed
      case "--only": options.only = Set(value.split(separator: ",").map(String.init))
      case "--output": options.output = value
      default: return nil
      }
    }
    return options
  }

  private static func complain(_ text: String) {
    FileHandle.standardError.write(Data("\(text)\n".utf8))
  }
}

/// Something that should never happen did.
struct FuzzFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}
