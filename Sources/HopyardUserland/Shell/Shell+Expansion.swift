import HopyardSimulator

/// A word on its way to arguments: bytes, each quoted or not.
struct Field {
  var bytes: [UInt8] = []
  var isQuoted: [Bool] = []
  /// Whether it is an argument even when it is empty.
  var isKept = false

  mutating func append(_ more: some Sequence<UInt8>, isQuoted quoted: Bool) {
    for byte in more {
      bytes.append(byte)
      isQuoted.append(quoted)
    }
    if quoted { isKept = true }
  }

  var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension Shell {
  /// The arguments that words become.
  func expand(_ words: [Word]) async throws(ShellUnwind) -> [String] {
    var arguments: [String] = []
    for word in words {
      if let literal = word.literal, word.parts.count == 1, case .literal(_, true) = word.parts[0] {
        arguments.append(literal)
        continue
      }
      for field in try await fields(word, splits: true) {
        if !options.noGlobbing, let names = glob(field) {
          arguments += names
        } else {
          arguments.append(field.text)
        }
      }
      if arguments.count > 100_000 {
        throw .process(.refused("more than 100,000 arguments are not modelled"))
      }
    }
    return arguments
  }

  /// The text that a word becomes where it is not split.
  func expandToString(_ word: Word) async throws(ShellUnwind) -> String {
    if let literal = word.literal { return literal }
    return try await fields(word, splits: false).map(\.text).joined(separator: " ")
  }

  /// The pattern that a word becomes.
  func pattern(_ word: Word) async throws(ShellUnwind) -> Glob {
    let field = try await fields(word, splits: false).first ?? Field()
    return Glob(field.bytes, isQuoted: field.isQuoted)
  }

  /// The value of an arithmetic expression.
  func arithmetic(_ word: Word) async throws(ShellUnwind) -> Int64 {
    let text = try await expandToString(word)
    do {
      return try ArithmeticExpression.evaluate(text, ShellArithmetic(shell: self))
    } catch {
      try await complain(error.message)
      throw .discard(1)
    }
  }

  // MARK: Fields

  private func fields(_ word: Word, splits: Bool) async throws(ShellUnwind) -> [Field] {
    var done: [Field] = []
    var field = Field()
    for part in word.parts {
      switch part {
      case .literal(let text, let isQuoted):
        field.append(text.bytes, isQuoted: isQuoted)
        if isQuoted { field.isKept = true }
      case .parameter(let expansion, let isQuoted):
        if expansion.name == "@" || expansion.name == "*", case .value = expansion.operation {
          if splits, isQuoted ? expansion.name == "@" : true {
            for (index, value) in positional.enumerated() {
              if index > 0 {
                if isQuoted || field.isKept || !field.bytes.isEmpty { done.append(field) }
                field = Field()
              }
              if isQuoted {
                field.append(value.utf8, isQuoted: true)
                field.isKept = true
              } else {
                split(value, &field, &done)
              }
            }
          } else {
            let separator = String((value(of: "IFS") ?? " ").prefix(1))
            field.append(positional.joined(separator: separator).utf8, isQuoted: isQuoted)
            if isQuoted { field.isKept = true }
          }
          continue
        }
        try await expand(expansion, isQuoted, splits, &field, &done)
      case .command(let substitution, let isQuoted):
        let output = try await output(of: substitution)
        if isQuoted { field.isKept = true }
        if isQuoted || !splits {
          field.append(output, isQuoted: isQuoted)
        } else {
          split(output, &field, &done)
        }
      case .arithmetic(let word, let isQuoted):
        let value = String(try await arithmetic(word))
        if isQuoted || !splits {
          field.append(value.utf8, isQuoted: isQuoted)
        } else {
          split(value, &field, &done)
        }
      }
      if field.bytes.count > Self.lengthLimit {
        throw .process(.refused("a word of more than 16 MiB is not modelled"))
      }
    }
    if field.isKept || !field.bytes.isEmpty || !splits { done.append(field) }
    return done
  }

  private func split(_ text: String, _ field: inout Field, _ done: inout [Field]) {
    split(Array(text.utf8), &field, &done)
  }

  /// Adds unquoted text, cut where the bytes of IFS stand.
  private func split(_ bytes: [UInt8], _ field: inout Field, _ done: inout [Field]) {
    let separators = Array((value(of: "IFS") ?? " \t\n").utf8)
    func isSpace(_ byte: UInt8) -> Bool {
      (byte == 0x20 || byte == 0x09 || byte == 0x0A) && separators.contains(byte)
    }
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      guard separators.contains(byte) else {
        field.bytes.append(byte)
        field.isQuoted.append(false)
        index += 1
        continue
      }
      var hard = 0
      while index < bytes.count, separators.contains(bytes[index]) {
        if !isSpace(bytes[index]) {
          hard += 1
          if hard > 1 { break }
        }
        index += 1
      }
      if field.isKept || !field.bytes.isEmpty || hard > 0 {
        done.append(field)
        field = Field()
      }
    }
  }

  // MARK: Parameters

  private func parameter(_ name: String) -> String? {
    switch name {
    case "?": return String(status)
    case "$": return String(shellNumber)
    case "!": return lastBackground.map(String.init)
    case "#": return String(positional.count)
    case "@", "*": return positional.isEmpty ? nil : positional.joined(separator: " ")
    case "0": return self.name
    case "-": return (options.exitsOnError ? "e" : "") + "hB"
    default:
      if let number = Int(name) {
        return number >= 1 && number <= positional.count ? positional[number - 1] : nil
      }
      return value(of: name)
    }
  }

  private func expand(
    _ expansion: ParameterExpansion,
    _ isQuoted: Bool,
    _ splits: Bool,
    _ field: inout Field,
    _ done: inout [Field]
  ) async throws(ShellUnwind) {
    let value = parameter(expansion.name)
    if isQuoted { field.isKept = true }
    func isMissing(_ orEmpty: Bool) -> Bool { value == nil || (orEmpty && value == "") }
    func add(_ text: String, _ field: inout Field, _ done: inout [Field]) {
      if isQuoted || !splits {
        field.append(text.utf8, isQuoted: isQuoted)
      } else {
        split(text, &field, &done)
      }
    }
    switch expansion.operation {
    case .useDefault(let word, let orEmpty):
      if isMissing(orEmpty) {
        try await addOperand(word, isQuoted, splits, &field, &done)
        return
      }
    case .alternative(let word, let orEmpty):
      if !isMissing(orEmpty) { try await addOperand(word, isQuoted, splits, &field, &done) }
      return
    case .assignDefault(let word, let orEmpty):
      if isMissing(orEmpty) {
        let text = try await expandToString(word)
        try await set(expansion.name, text)
        add(text, &field, &done)
        return
      }
    case .errorIfUnset(let word, let orEmpty):
      if isMissing(orEmpty) {
        let text = try await expandToString(word)
        let reason = text.isEmpty ? "parameter null or not set" : text
        try await complain("\(expansion.name): \(reason)")
        throw .exit(1)
      }
    default: break
    }
    if value == nil, options.refusesUnset, expansion.name != "@", expansion.name != "*" {
      try await complain("\(expansion.name): unbound variable")
      throw .exit(1)
    }
    add(try await apply(expansion.operation, value ?? "", name: expansion.name), &field, &done)
  }

  /// Adds the word of `${v:-word}` with its own quotes.
  private func addOperand(
    _ word: Word,
    _ isQuoted: Bool,
    _ splits: Bool,
    _ field: inout Field,
    _ done: inout [Field]
  ) async throws(ShellUnwind) {
    let inner = try await fields(word, splits: splits && !isQuoted)
    for (index, one) in inner.enumerated() {
      if index > 0 {
        done.append(field)
        field = Field()
      }
      if isQuoted {
        field.append(one.bytes, isQuoted: true)
      } else if splits, word.parts.count == 1, case .literal(_, false) = word.parts[0] {
        split(one.bytes, &field, &done)
      } else {
        field.bytes += one.bytes
        field.isQuoted += one.isQuoted
        if one.isKept { field.isKept = true }
      }
    }
  }

  private func apply(_ operation: ParameterExpansion.Operation, _ value: String, name: String)
    async throws(ShellUnwind) -> String
  {
    let bytes = Array(value.utf8)
    func text(_ slice: ArraySlice<UInt8>) -> String { String(decoding: slice, as: UTF8.self) }
    switch operation {
    case .value, .useDefault, .assignDefault, .alternative, .errorIfUnset: return value
    case .length:
      return String(name == "@" || name == "*" ? positional.count : bytes.count)
    case .removePrefix(let word, let isLongest):
      let pattern = try await pattern(word)
      try limitPattern(bytes)
      let lengths = isLongest ? Array((0...bytes.count).reversed()) : Array(0...bytes.count)
      for length in lengths where pattern.matches(bytes[..<length]) {
        return text(bytes[length...])
      }
      return value
    case .removeSuffix(let word, let isLongest):
      let pattern = try await pattern(word)
      try limitPattern(bytes)
      let starts = isLongest ? Array(0...bytes.count) : Array((0...bytes.count).reversed())
      for start in starts where pattern.matches(bytes[start...]) { return text(bytes[..<start]) }
      return value
    case .replace(let word, let with, let isAll):
      return try await replace(
        bytes,
        try await replacePattern(word),
        try await expandToString(with),
        isAll
      )
    case .substring(let offset, let length):
      var start = try await arithmetic(offset)
      let count = Int64(bytes.count)
      if start < 0 { start += count }
      if start < 0 || start > count { return "" }
      var end = count
      if let length {
        let wanted = try await arithmetic(length)
        end = wanted < 0 ? count &+ wanted : wanted > count ? count : min(count, start + wanted)
        if end < start {
          try await complain("\(wanted): substring expression < 0")
          throw .discard(1)
        }
      }
      return text(bytes[Int(start)..<Int(end)])
    case .changeCase(let isUpper, let isAll):
      if isAll { return isUpper ? value.uppercased() : value.lowercased() }
      let first = value.prefix(1)
      return (isUpper ? first.uppercased() : first.lowercased()) + value.dropFirst()
    }
  }

  private func limitPattern(_ bytes: [UInt8]) throws(ShellUnwind) {
    if bytes.count > 20_000 {
      throw .process(.refused("a pattern on a value of more than 20,000 bytes is not modelled"))
    }
  }

  /// The pattern of `${v/pattern/…}`, and whether `#` or `%` ties it to an end.
  private func replacePattern(_ word: Word) async throws(ShellUnwind) -> (Glob, UInt8?) {
    var field = try await fields(word, splits: false).first ?? Field()
    if let first = field.bytes.first, !field.isQuoted[0], first == 0x23 || first == 0x25 {
      field.bytes.removeFirst()
      field.isQuoted.removeFirst()
      return (Glob(field.bytes, isQuoted: field.isQuoted), first)
    }
    return (Glob(field.bytes, isQuoted: field.isQuoted), nil)
  }

  private func replace(
    _ bytes: [UInt8],
    _ pattern: (glob: Glob, anchor: UInt8?),
    _ with: String,
    _ isAll: Bool
  ) async throws(ShellUnwind) -> String {
    if pattern.glob.elements.isEmpty { return String(decoding: bytes, as: UTF8.self) }
    if bytes.count > 5_000, pattern.glob.isPattern {
      try limitPattern(bytes + bytes + bytes + bytes)
    }
    var result: [UInt8] = []
    var index = 0
    var isDone = false
    while index < bytes.count {
      var length: Int?
      if !isDone, pattern.anchor != 0x23 || index == 0 {
        if pattern.glob.isPattern {
          length = (1...(bytes.count - index)).last {
            pattern.glob.matches(bytes[index..<(index + $0)])
          }
        } else {
          let count = pattern.glob.elements.count
          if index + count <= bytes.count, pattern.glob.matches(bytes[index..<(index + count)]) {
            length = count
          }
        }
        if pattern.anchor == 0x25, let found = length, index + found != bytes.count { length = nil }
      }
      if let length {
        result += with.utf8
        index += length
        if !isAll { isDone = true }
      } else {
        result.append(bytes[index])
        index += 1
      }
      if result.count > Self.lengthLimit {
        throw .process(.refused("a value of more than 16 MiB is not modelled"))
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  // MARK: Command substitution

  /// What a command prints, without the line ends at its end.
  private func output(of substitution: CommandSubstitution) async throws(ShellUnwind) -> [UInt8] {
    let list = substitution.list
    if list.items.isEmpty { return [] }
    let pipe = Pipe()
    let child = try fork()
    child.process.setDescriptor(1, pipe.writer)
    child.options.exitsOnError = false
    let place = process.place
    child.start { shell async throws(ShellUnwind) in
      if let file = list.onlyInput {
        try await shell.redirected([file]) { shell async throws(ShellUnwind) in
          shell.status = try await shell.guarded { process async throws(ProcessExit) in
            try await process.write(try await process.readAll())
            return 0
          }
        }
        return shell.status
      }
      try await shell.run(list, isFinal: true)
      return shell.status
    }
    let reader = process.freeDescriptor
    process.setDescriptor(reader, pipe.reader)
    defer { process.setDescriptor(reader, nil) }
    var output: [UInt8]
    do {
      output = try await process.readAll(from: reader, limit: Self.lengthLimit)
    } catch {
      throw .process(error)
    }
    substitutionStatus = try await wait(for: child.process)
    process.place = place
    output.removeAll { $0 == 0 }
    while output.last == 0x0A { output.removeLast() }
    return output
  }

  // MARK: File names

  /// The files that a word with unquoted `*`, `?` or `[` names; nil when it is no pattern or there
  /// are none.
  private func glob(_ field: Field) -> [String]? {
    var isPattern = false
    for (index, byte) in field.bytes.enumerated() where !field.isQuoted[index] {
      if byte == UInt8(ascii: "*") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "[") {
        isPattern = true
      }
    }
    guard isPattern, field.bytes.count < 4096 else { return nil }
    var parts: [(bytes: [UInt8], isQuoted: [Bool])] = [([], [])]
    for (index, byte) in field.bytes.enumerated() {
      if byte == UInt8(ascii: "/") {
        parts.append(([], []))
      } else {
        parts[parts.count - 1].bytes.append(byte)
        parts[parts.count - 1].isQuoted.append(field.isQuoted[index])
      }
    }
    var found = [""]
    for (index, part) in parts.enumerated() {
      let isLast = index == parts.count - 1
      let glob = Glob(part.bytes, isQuoted: part.isQuoted)
      var next: [String] = []
      for prefix in found {
        guard glob.isPattern else {
          let path = prefix + String(decoding: part.bytes, as: UTF8.self)
          if isLast {
            if part.bytes.isEmpty || process.kind(of: path) != nil { next.append(path) }
          } else {
            next.append(path + "/")
          }
          continue
        }
        let directory = process.path(prefix.isEmpty ? "." : prefix)
        let names = (try? process.userland.files.list(directory, for: process)) ?? []
        for name in names.sorted() where glob.matches(name) {
          if name.hasPrefix("."), part.bytes.first != 0x2E { continue }
          if isLast {
            next.append(prefix + name)
          } else if process.kind(of: prefix + name) == .directory {
            next.append(prefix + name + "/")
          }
        }
      }
      found = next
    }
    return found.isEmpty ? nil : found
  }
}

extension CommandList {
  /// The redirection of `$(<file)`, which bash reads itself.
  fileprivate var onlyInput: Redirection? {
    guard items.count == 1, items[0].rest.isEmpty, items[0].first.commands.count == 1,
      case .simple(let assignments, let words) = items[0].first.commands[0].kind,
      assignments.isEmpty, words.isEmpty, items[0].first.commands[0].redirections.count == 1,
      case .input = items[0].first.commands[0].redirections[0].kind
    else { return nil }
    return items[0].first.commands[0].redirections[0]
  }
}

/// A shell's variables as arithmetic sees them.
private struct ShellArithmetic: ArithmeticVariables {
  let shell: Shell

  func value(of name: String) throws(ArithmeticError) -> String {
    guard let value = shell.value(of: name) else {
      if shell.options.refusesUnset { throw ArithmeticError(message: "\(name): unbound variable") }
      return "0"
    }
    let trimmed = value.drop { $0 == " " || $0 == "\t" || $0 == "\n" }
    return trimmed.isEmpty ? "0" : String(trimmed)
  }

  func set(_ name: String, _ value: Int64) throws(ArithmeticError) {
    if shell.variables[name]?.isReadOnly == true {
      throw ArithmeticError(message: "\(name): readonly variable")
    }
    shell.variables[name, default: Shell.Variable(value: "")].value = String(value)
    if shell.variables[name]?.isExported == true { shell.process.environment[name] = String(value) }
  }
}
