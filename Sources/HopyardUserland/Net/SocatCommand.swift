import HopyardSimulator
import HopyardWire

/// `socat` 1.7.4.
enum SocatCommand {
  static let specification = OptionSpecification(
    "+uUt:T:b:d::DvxhVlLy4s",
    refused: "DvxlLr:R:S6"
  )

  static let command = Command(
    "socat",
    check: { check in
      let (_, operands, problem) = SocatOptions.read(check.texts)
      if let problem, problem.isRefused { check.report(problem.index, problem.message) }
      for index in operands {
        guard let text = check.texts[index] else { continue }
        do throws(SocatAddress.Failure) {
          _ = try SocatAddress(text)
        } catch {
          if case .refused(let message) = error { check.report(index, message) }
        }
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      process.name = "socat"
      let (options, operands, problem) = SocatOptions.read(arguments)
      let run = SocatRun(process, options)
      if let problem {
        if problem.isRefused { throw .refused("socat: \(problem.message)") }
        throw try await run.fail(problem.message)
      }
      if options.showsVersion {
        try await process.print(
          "socat by Gerhard Rieger and contributors - see www.dest-unreach.org\n"
            + "socat version 1.7.4.4 on 06 Nov 2022 08:15:51\n"
        )
        return 0
      }
      guard operands.count == 2 else {
        throw try await run.fail(
          "exactly 2 addresses required (there are \(operands.count)); use option \"-h\" for help"
        )
      }
      var addresses: [SocatAddress] = []
      for index in operands {
        do throws(SocatAddress.Failure) {
          addresses.append(try SocatAddress(arguments[index]))
        } catch {
          switch error {
          case .refused(let message): throw .refused("socat: \(message)")
          case .wrong(let message): throw try await run.fail(message)
          }
        }
      }
      return try await run.run(addresses[0], addresses[1])
    }
  )
}

/// The options of `socat` itself.
struct SocatOptions: Sendable {
  var leftToRight = true
  var rightToLeft = true
  /// 0 errors, 1 warnings, 2 notices, 3 and more information.
  var level = 0
  /// How long the other direction may still bring something, in nanoseconds.
  var closingTime: Int64 = 500_000_000
  /// How long nothing may happen.
  var idleTime: Int64?
  var bufferSize = 8192
  var showsVersion = false

  /// Reads the options; gives the indices of the operands, and what is wrong.
  static func read(_ arguments: [String?]) -> (
    options: SocatOptions, operands: [Int],
    problem: (index: Int, message: String, isRefused: Bool)?
  ) {
    var options = SocatOptions()
    var index = 0
    func value(_ text: String) -> String? {
      if text.count > 2 { return String(text.dropFirst(2)) }
      index += 1
      return index < arguments.count ? arguments[index] ?? "0" : nil
    }
    while index < arguments.count {
      guard let text = arguments[index], text.hasPrefix("-"), text != "-" else { break }
      switch text.dropFirst().first {
      case "u" where text == "-u": options.rightToLeft = false
      case "U" where text == "-U": options.leftToRight = false
      case "d" where text.dropFirst().allSatisfy({ $0 == "d" }): options.level += text.count - 1
      case "4" where text == "-4": break
      case "s" where text == "-s": break
      case "V" where text == "-V": options.showsVersion = true
      case "t":
        guard let number = value(text), let seconds = Double(number), seconds >= 0,
          seconds < 1e9
        else { return (options, [], (index, "bad time", false)) }
        options.closingTime = Int64(seconds * 1e9)
      case "T":
        guard let number = value(text), let seconds = Double(number), seconds >= 0,
          seconds < 1e9
        else { return (options, [], (index, "bad time", false)) }
        options.idleTime = seconds > 0 ? Int64(seconds * 1e9) : nil
      case "b":
        guard let number = value(text), let size = Int(number), size > 0, size < 1 << 24 else {
          return (options, [], (index, "bad buffer size", false))
        }
        options.bufferSize = size
      case "D", "v", "x", "h", "?", "l", "L", "W", "r", "R", "S", "g", "6", "y":
        return (options, [], (index, "the option \(text) is not modelled", true))
      default:
        return (
          options, [], (index, "unknown option \"\(text)\"; use option \"-h\" for help", false)
        )
      }
      index += 1
    }
    return (options, Array(index..<max(index, arguments.count)), nil)
  }
}
