import HopyardSimulator

/// One call of ip(8): its options, its namespace, and what it prints.
///
/// Output is collected in order and written when the call ends; ip takes no time.
final class IpContext {
  /// The options before the object.
  var options: IpOptions
  /// The process that runs it; nil in tests of the texts alone.
  let process: Process?
  /// The namespace on which it works.
  var namespace: NetworkNamespace
  /// Whether the last error ends the command alone, and not a whole batch with it.
  var endsCommandOnly = false
  /// What was written so far: descriptor 1 or 2, and the text.
  private(set) var written: [(descriptor: Int32, text: String)] = []

  init(options: IpOptions, process: Process?, namespace: NetworkNamespace) {
    self.options = options
    self.process = process
    self.namespace = namespace
  }

  /// A new description of output, in the form that the options ask for.
  func makeOutput() -> IpOutput {
    IpOutput(
      isJSON: options.isJSON,
      isPretty: options.isPretty,
      isColoured: options.isColoured && !options.isJSON
    )
  }

  /// Writes to standard output.
  func print(_ text: String) {
    if !text.isEmpty { written.append((1, text)) }
  }

  /// Writes all that was described to standard output.
  func print(_ output: IpOutput) { print(output.finished()) }

  /// Writes to standard error.
  func printError(_ text: String) { written.append((2, text)) }

  /// Hands over what was written, and forgets it.
  func takeWritten() -> [(descriptor: Int32, text: String)] {
    defer { written = [] }
    return written
  }

  /// Says what the kernel answered, and gives the exit status 2.
  ///
  /// With a sentence of the kernel's it reads `Error: …`, else `RTNETLINK answers: …`.
  func answer(_ error: RouteError) -> Int32 {
    answer(error.errno.description, message: error.message)
  }

  /// Says what the kernel answered, and gives the exit status 2.
  func answer(_ errno: String, message: String? = nil) -> Int32 {
    if let message {
      printError(message.hasSuffix(".") ? "Error: \(message)\n" : "Error: \(message).\n")
    } else {
      printError("RTNETLINK answers: \(errno)\n")
    }
    return 2
  }

  /// Says `Cannot find device`, and gives the exit status 1.
  func noDevice(_ name: String) -> Int32 {
    printError("Cannot find device \"\(name)\"\n")
    endsCommandOnly = true
    return 1
  }
}

/// The arguments behind an object of ip(8), read from the front as its parsers do.
///
/// Errors of usage are written as iproute2 writes them and end the call with 255.
struct IpArguments {
  /// All arguments.
  let all: [String]
  /// Which is next.
  var index: Int
  private let context: IpContext

  init(_ all: [String], _ context: IpContext, from index: Int = 0) {
    self.all = all
    self.context = context
    self.index = index
  }

  /// Whether there are arguments left.
  var hasMore: Bool { index < all.count }

  /// The argument that is next, if any.
  var current: String? { hasMore ? all[index] : nil }

  /// Takes the next argument.
  mutating func next() -> String? {
    guard hasMore else { return nil }
    defer { index += 1 }
    return all[index]
  }

  /// Takes the value of the keyword before it (`NEXT_ARG`).
  mutating func value() throws(ProcessExit) -> String {
    guard let value = next() else { throw incomplete() }
    return value
  }

  /// `Command line is not complete. Try option "help"`.
  func incomplete() -> ProcessExit {
    context.printError("Command line is not complete. Try option \"help\"\n")
    return .status(255)
  }

  /// `Error: argument "X" is wrong: WHY` (`invarg`).
  func wrong(_ argument: String, _ why: String) -> ProcessExit {
    context.printError("Error: argument \"\(argument)\" is wrong: \(why)\n")
    return .status(255)
  }

  /// Says something on standard error, and ends the call.
  func fail(_ text: String, _ status: Int32) -> ProcessExit {
    context.printError(text)
    return .status(status)
  }

  /// `Error: duplicate "KEY": "X" is the second value.` (`duparg`).
  func duplicate(_ key: String, _ argument: String) -> ProcessExit {
    context.printError("Error: duplicate \"\(key)\": \"\(argument)\" is the second value.\n")
    return .status(255)
  }

  /// `Error: either "KEY" is duplicate, or "X" is a garbage.` (`duparg2`).
  func garbage(_ key: String, _ argument: String) -> ProcessExit {
    context.printError(
      "Error: either \"\(key)\" is duplicate, or \"\(argument)\" is a garbage.\n"
    )
    return .status(255)
  }

  /// `Error: argument "KEY" is required` (`missarg`).
  func missing(_ key: String) -> ProcessExit {
    context.printError("Error: argument \"\(key)\" is required\n")
    return .status(255)
  }
}
