import HopyardSimulator

/// bridge(8).
enum BridgeCommand {
  static let command = Command("bridge", check: { check($0) }) {
    process,
    arguments throws(ProcessExit) in
    try await run(process, arguments)
  }

  static func check(_ check: CommandCheck) {
    var options = IpOptions()
    var compresses = false
    switch read(check.texts, &options, &compresses) {
    case .refused(let index, let message): check.report(index, message)
    case .object(let index):
      guard index < check.texts.count, let word = check.texts[index] else { return }
      if IpOptions.matches(word, "monitor") || IpOptions.matches(word, "vni") {
        check.report(index, "bridge \(word) is not modelled")
      }
    default: return
    }
  }

  /// Reads the options before the object.
  private static func read(
    _ arguments: [String?],
    _ options: inout IpOptions,
    _ compresses: inout Bool
  ) -> IpOptions.Outcome {
    var index = 0
    while index < arguments.count {
      guard let word = arguments[index], word.hasPrefix("-") else { return .object(index) }
      let option = word.hasPrefix("--") ? String(word.dropFirst()) : word
      if option == "-" { return .object(index + 1) }
      func isOption(_ name: String) -> Bool { IpOptions.matches(option, name) }
      if isOption("-help") {
        return .usage
      } else if isOption("-Version") {
        return .version
      } else if isOption("-stats") || isOption("-statistics") {
        options.statistics += 1
      } else if isOption("-details") {
        options.details += 1
      } else if isOption("-oneline") {
        options.isOneLine = true
      } else if isOption("-timestamp") {
        return .refused(index, "the option -timestamp is not modelled")
      } else if isOption("-family") || option == "-4" || option == "-6" {
        if isOption("-family") { index += 1 }
      } else if isOption("-netns") {
        index += 1
        guard index < arguments.count, let name = arguments[index] else { return .usage }
        options.namespace = name
      } else if isOption("-compressvlans") {
        compresses = true
      } else if option.hasPrefix("-c") {
        options.isColoured = option.hasSuffix("=always") || !option.contains("=")
      } else if isOption("-force") {
        options.isForced = true
      } else if isOption("-json") {
        options.isJSON = true
      } else if isOption("-pretty") {
        options.isPretty = true
      } else if isOption("-batch") {
        return .refused(index, "the option -batch is not modelled")
      } else {
        return .failure("Option \"\(word)\" is unknown, try \"bridge help\".\n", 255)
      }
      index += 1
    }
    return .object(index)
  }

  private static func run(
    _ process: Process,
    _ arguments: [String]
  ) async throws(ProcessExit) -> Int32 {
    var options = IpOptions()
    var compresses = false
    switch read(arguments, &options, &compresses) {
    case .refused(_, let message): throw .refused(message)
    case .usage:
      try await process.printError(BridgeUsage.bridge)
      return 255
    case .version:
      try await process.print("bridge utility, 6.1.0\n")
      return 0
    case .failure(let text, let status):
      try await process.printError(text)
      return status
    case .object(let index):
      let context = IpContext(options: options, process: process, namespace: process.namespace)
      if let name = options.namespace {
        guard let found = IpCommand.namespace(named: name, near: context.namespace) else {
          try await process.printError(
            "Cannot open network namespace \"\(name)\": No such file or directory\n"
          )
          return 255
        }
        context.namespace = found
      }
      let status: Int32
      do {
        status = try perform(Array(arguments[min(index, arguments.count)...]), context, compresses)
      } catch {
        try await IpCommand.flush(context)
        throw error
      }
      try await IpCommand.flush(context)
      return status
    }
  }

  private static func perform(
    _ words: [String],
    _ context: IpContext,
    _ compresses: Bool
  ) throws(ProcessExit) -> Int32 {
    guard let object = words.first else {
      context.printError(BridgeUsage.bridge)
      return 255
    }
    let rest = Array(words.dropFirst())
    func isObject(_ name: String) -> Bool { IpOptions.matches(object, name) }
    if isObject("link") { return try BridgeLink.run(context, rest) }
    if isObject("fdb") { return try BridgeFDB.run(context, rest) }
    if isObject("mdb") { return try BridgeMDB.run(context, rest) }
    if isObject("vlan") { return try BridgeVLAN.run(context, rest, compresses: compresses) }
    if isObject("monitor") || isObject("vni") {
      throw .refused("bridge \(object) is not modelled")
    }
    if isObject("help") {
      context.printError(BridgeUsage.bridge)
      return 255
    }
    context.printError("Object \"\(object)\" is unknown, try \"bridge help\".\n")
    return 255
  }
}

extension IpContext {
  /// Says what the kernel answered, and gives bridge(8)'s exit status.
  func bridgeAnswer(_ error: LinkError) -> Int32 {
    _ = answer(error)
    return 255
  }

  /// Says `Cannot find device`, and gives bridge(8)'s exit status.
  func noBridgeDevice(_ name: String) -> Int32 {
    printError("Cannot find device \"\(name)\"\n")
    return 255
  }
}
