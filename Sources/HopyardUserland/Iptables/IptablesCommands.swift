import HopyardSimulator
import HopyardWire

extension CommandTable {
  /// Adds `iptables`, `iptables-save`, `iptables-restore` and their relatives.
  func addIptables(plain: RulesetVariant) {
    for program in IptablesProgram.all(plain: plain) { add(program.command) }
  }
}

extension IptablesProgram {
  /// The program as a command of the shell.
  var command: Command {
    Command(name, check: { check($0) }) { process, arguments throws(ProcessExit) in
      try await run(process, arguments)
    }
  }

  // MARK: Before anything runs

  /// Reports what the model lacks; whatever else is wrong shows when the command runs.
  private func check(_ check: CommandCheck) {
    guard role == .edit else { return }
    var arguments: [String] = []
    for text in check.texts {
      guard let text else { return }
      arguments.append(text)
    }
    let pool = ChainPool()
    let ruleset = Ruleset(family: family, variant: variant, pool: pool)
    let environment = IptablesEnvironment(ruleset: { _ in ruleset }, hasAccount: { _ in true })
    var parser = IptablesParser(arguments, self, environment)
    do throws(IptablesFailure) {
      guard let request = try parser.parse() else { return }
      if let part = ModelledRules.firstUnmodelled(in: request.rule) {
        check.report(place(of: part, in: arguments), "\(part) of \(stem) is not modelled")
      }
    } catch {
      if case .refused(let text) = error { check.report(place(of: text, in: arguments), text) }
    }
  }

  /// The argument that a text like `-m limit` begins with, or nil.
  private func place(of text: String, in arguments: [String]) -> Int? {
    let words = text.split(separator: " ").map(String.init)
    if let option = words.first(where: { $0.hasPrefix("--") }) {
      return arguments.firstIndex { $0 == option }
    }
    guard words.count > 1 else { return nil }
    return arguments.indices.first { $0 > 0 && arguments[$0] == words[1] }
  }

  // MARK: Running

  private func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit) -> Int32 {
    guard let netfilter = process.namespace.netfilter else { return 1 }
    var input = ""
    if role == .restore, !Self.namesFile(arguments) {
      input = String(decoding: try await process.readAll(), as: UTF8.self)
    }
    let family = family
    let environment = IptablesEnvironment(
      ruleset: { netfilter.ruleset(family, $0) },
      resolve: { name in
        guard family == .ipv4, let address = process.resolve(name) else { return [] }
        return [UInt128(address.rawValue)]
      },
      hasSet: { netfilter.sets[$0] != nil },
      hasAccount: { netfilter.account($0) != nil },
      readFile: { path in
        (try? process.contents(of: path)).map { String(decoding: $0, as: UTF8.self) }
      },
      writeFile: { path, text in
        do {
          try process.userland.files.write(process.path(path), Array(text.utf8))
          return true
        } catch {
          return false
        }
      },
      date: DateText.text(process.wallClock.seconds)
    )
    let text = input
    let result = IptablesCommand.run(
      self,
      arguments: arguments,
      input: { text },
      environment: environment
    )
    // Standard output is written when the real program ends, after what it says of errors.
    if !result.errors.isEmpty { try await process.printError(result.errors) }
    if !result.output.isEmpty { try await process.print(result.output) }
    if let refusal = result.refusal { throw .refused("\(name): \(refusal)") }
    return result.status
  }

  /// Whether arguments of `iptables-restore` name a file to read.
  private static func namesFile(_ arguments: [String]) -> Bool {
    var takesValue = false
    for argument in arguments {
      if takesValue {
        takesValue = false
        continue
      }
      if ["-T", "--table", "-M", "--modprobe"].contains(argument) {
        takesValue = true
      } else if !argument.hasPrefix("-"), IptablesNumber.parse(argument) == nil {
        return true
      }
    }
    return false
  }
}

/// Dates as `ctime` writes them.
enum DateText {
  private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The text of a number of seconds since 1970, such as `Thu Jan  1 00:00:00 2026`.
  static func text(_ seconds: Int64) -> String {
    let day = Int(max(0, seconds) / 86400)
    let rest = max(0, seconds) % 86400
    let (year, month, dayOfMonth) = CivilDate.date(Int64(day))
    func two(_ number: Int64, _ filler: String = "0") -> String {
      number < 10 ? filler + "\(number)" : "\(number)"
    }
    return "\(days[day % 7]) \(months[Int(month) - 1]) \(two(dayOfMonth, " ")) "
      + "\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60)) \(year)"
  }
}
