import HopyardSimulator

/// The builtin `read`.
extension ShellBuiltin {
  static let readOptions = OptionSpecification("rsp:t:n:d:", refused: "a:eu:i:N:")

  static func read(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind) -> Int32 {
    let parsed: ParsedOptions
    switch readOptions.parse(arguments) {
    case .success(let options): parsed = options
    case .failure(.refused(_, let message)): throw .process(.refused("read: \(message)"))
    case .failure(.usage(let message)):
      try await shell.complain("read: \(message)")
      return 2
    }
    let process = shell.process
    var deadline: Instant?
    if let text = parsed["t"] {
      guard let time = TimeText.nanoseconds(text) else {
        try await shell.complain("read: \(text): invalid timeout specification")
        return 1
      }
      deadline = process.simulation.now + time
    }
    let delimiter = parsed["d"].map { $0.utf8.first ?? 0 } ?? 0x0A
    let limit = parsed["n"].flatMap { Int($0) } ?? .max
    var line: [UInt8] = []
    var isQuoted: [Bool] = []
    var status: Int32 = 0
    do {
      var isEscaped = false
      while line.count < limit {
        let input = try await nextByte(process, until: deadline)
        guard case .byte(let byte) = input else {
          if case .late = input { status = 142 } else { status = 1 }
          break
        }
        if isEscaped {
          isEscaped = false
          if byte == 0x0A { continue }
          line.append(byte)
          isQuoted.append(true)
          continue
        }
        if byte == 0x5C, !parsed.has("r") {
          isEscaped = true
          continue
        }
        if byte == delimiter { break }
        if byte == 0 { continue }
        line.append(byte)
        isQuoted.append(false)
        if line.count > Shell.lengthLimit {
          throw ProcessExit.refused("a line of more than 16 MiB is not modelled")
        }
      }
    } catch let error as ProcessExit {
      if case .failed(let errno) = error {
        try await shell.complain("read: read error: 0: \(errno)")
        return 1
      }
      throw .process(error)
    } catch {
      return 1
    }
    let names = parsed.operands.isEmpty ? ["REPLY"] : parsed.operands
    let values =
      parsed.operands.isEmpty
      ? [String(decoding: line, as: UTF8.self)]
      : fields(line, isQuoted, names.count, shell.value(of: "IFS") ?? " \t\n")
    for (index, name) in names.enumerated() {
      try await shell.set(name, index < values.count ? values[index] : "")
    }
    return status
  }

  private enum Input {
    case byte(UInt8)
    case end
    case late
  }

  private static func nextByte(_ process: Process, until deadline: Instant?)
    async throws(ProcessExit) -> Input
  {
    while true {
      guard let file = process.descriptor(0) else { throw .failed(.badDescriptor) }
      let bytes: [UInt8]?
      do {
        bytes = try file.receive(1)
      } catch {
        throw .failed(error)
      }
      if let bytes { return bytes.first.map { .byte($0) } ?? .end }
      let result = try await process.wait(on: file.readable.map { [$0] } ?? [], until: deadline)
      if case .timedOut = result { return .late }
    }
  }

  /// The fields of a line; the last of them takes what is left.
  private static func fields(
    _ line: [UInt8],
    _ isQuoted: [Bool],
    _ count: Int,
    _ separators: String
  )
    -> [String]
  {
    let separators = Array(separators.utf8)
    func isSeparator(_ index: Int) -> Bool {
      !isQuoted[index] && separators.contains(line[index])
    }
    func isSpace(_ index: Int) -> Bool {
      isSeparator(index) && (line[index] == 0x20 || line[index] == 0x09 || line[index] == 0x0A)
    }
    var values: [String] = []
    var index = 0
    while index < line.count, isSpace(index) { index += 1 }
    while index < line.count, values.count < count - 1 {
      let start = index
      while index < line.count, !isSeparator(index) { index += 1 }
      values.append(String(decoding: line[start..<index], as: UTF8.self))
      while index < line.count, isSpace(index) { index += 1 }
      if index < line.count, isSeparator(index) {
        index += 1
        while index < line.count, isSpace(index) { index += 1 }
      }
    }
    if values.count < count, index < line.count {
      var end = line.count
      while end > index, isSpace(end - 1) { end -= 1 }
      // One separator at the very end belongs to no field.
      if end > index, isSeparator(end - 1), !(index..<(end - 1)).contains(where: isSeparator) {
        end -= 1
      }
      values.append(String(decoding: line[index..<end], as: UTF8.self))
    }
    return values
  }
}
