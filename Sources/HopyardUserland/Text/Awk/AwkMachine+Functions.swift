/// The functions of awk.
extension AwkMachine {
  mutating func call(_ name: String, _ arguments: [AwkExpression]) throws(Unwind)
    -> AwkValue
  {
    func missing() -> Unwind {
      .process(.refused("awk: `\(name)' with \(arguments.count) arguments is not modelled"))
    }
    switch name {
    case "": return .string(try key(arguments))
    case "length":
      guard let first = arguments.first else { return .number(Double(record.count)) }
      if case .variable(let slot) = first, let table = arrays[slot] {
        return .number(Double(table.count))
      }
      return .number(Double(try value(first).bytes.count))
    case "substr":
      guard arguments.count >= 2 else { throw missing() }
      let text = try value(arguments[0]).bytes
      let start = try value(arguments[1]).number.rounded()
      var end = Double(text.count) + 1
      if arguments.count > 2 { end = min(end, start + (try value(arguments[2]).number).rounded()) }
      let from = max(1, start)
      guard from < end else { return .string([]) }
      return .string(Array(text[(Int(from) - 1)..<(Int(end) - 1)]))
    case "index":
      guard arguments.count == 2 else { throw missing() }
      let text = try value(arguments[0]).bytes
      let needle = try value(arguments[1]).bytes
      guard !needle.isEmpty, needle.count <= text.count else { return .number(0) }
      for start in 0...(text.count - needle.count) where text[start...].starts(with: needle) {
        return .number(Double(start + 1))
      }
      return .number(0)
    case "split":
      guard arguments.count >= 2, case .variable(let table) = arguments[1] else { throw missing() }
      let text = try value(arguments[0]).bytes
      var separator = values[fs].bytes
      if arguments.count > 2 {
        if case .pattern(let pattern) = arguments[2] {
          return .number(Double(splitInto(table, text, pattern)))
        }
        separator = try value(arguments[2]).bytes
      }
      let parts = try split(text, by: separator)
      arrays[table] = [:]
      orders[table] = []
      for (index, part) in parts.enumerated() {
        setElement(table, Array(String(index + 1).utf8), part)
      }
      return .number(Double(parts.count))
    case "sub", "gsub":
      guard arguments.count >= 2 else { throw missing() }
      let pattern = try pattern(arguments[0])
      let replacement = try value(arguments[1]).bytes
      let target = arguments.count > 2 ? arguments[2] : .field(.number(0))
      let (text, count) = substitute(
        try value(target).bytes,
        pattern,
        replacement,
        isGlobal: name == "gsub"
      )
      if count > 0 { try store(target, .string(text)) }
      return .number(Double(count))
    case "match":
      guard arguments.count == 2 else { throw missing() }
      let text = try value(arguments[0]).bytes
      let found = try pattern(arguments[1]).firstMatch(in: text)?[0]
      values[rstart] = .number(found.map { Double($0.lowerBound + 1) } ?? 0)
      values[rlength] = .number(found.map { Double($0.count) } ?? -1)
      return values[rstart]
    case "sprintf": return .string(try format(arguments))
    case "tolower", "toupper":
      guard let first = arguments.first else { throw missing() }
      let isUpper = name == "toupper"
      return .string(
        try value(first).bytes.map { byte in
          if isUpper { return (0x61...0x7A).contains(byte) ? byte - 32 : byte }
          return (0x41...0x5A).contains(byte) ? byte + 32 : byte
        }
      )
    case "int":
      guard let first = arguments.first else { throw missing() }
      return .number(try value(first).number.rounded(.towardZero))
    case "sqrt":
      guard let first = arguments.first else { throw missing() }
      return .number(try value(first).number.squareRoot())
    default: throw .process(.refused("awk: `\(name)' is not modelled"))
    }
  }

  mutating func splitInto(_ table: Int, _ text: [UInt8], _ pattern: RegularExpression)
    -> Int
  {
    arrays[table] = [:]
    orders[table] = []
    if text.isEmpty { return 0 }
    var count = 0
    var from = 0
    var search = 0
    while search <= text.count, let match = pattern.firstMatch(in: text, from: search)?[0] {
      if match.isEmpty {
        search = match.upperBound + 1
        continue
      }
      count += 1
      setElement(table, Array(String(count).utf8), .input(Array(text[from..<match.lowerBound])))
      from = match.upperBound
      search = from
    }
    count += 1
    setElement(table, Array(String(count).utf8), .input(Array(text[from...])))
    return count
  }

  func substitute(
    _ text: [UInt8],
    _ pattern: RegularExpression,
    _ replacement: [UInt8],
    isGlobal: Bool
  ) -> ([UInt8], Int) {
    var result: [UInt8] = []
    var from = 0
    var count = 0
    var lastEnd = -1
    while from <= text.count, let match = pattern.firstMatch(in: text, from: from)?[0] {
      if match.isEmpty, match.lowerBound == lastEnd {
        if match.lowerBound < text.count { result.append(text[match.lowerBound]) }
        from = match.lowerBound + 1
        lastEnd = -1
        continue
      }
      result += text[from..<match.lowerBound]
      var index = 0
      while index < replacement.count {
        if replacement[index] == 0x5C, index + 1 < replacement.count,
          replacement[index + 1] == UInt8(ascii: "&") || replacement[index + 1] == 0x5C
        {
          result.append(replacement[index + 1])
          index += 2
        } else if replacement[index] == UInt8(ascii: "&") {
          result += text[match]
          index += 1
        } else {
          result.append(replacement[index])
          index += 1
        }
      }
      count += 1
      lastEnd = match.upperBound
      from = match.upperBound
      if match.isEmpty {
        if from < text.count { result.append(text[from]) }
        from += 1
        lastEnd = -1
      }
      if !isGlobal { break }
    }
    if from < text.count { result += text[from...] }
    return (result, count)
  }

  mutating func format(_ arguments: [AwkExpression]) throws(Unwind) -> [UInt8] {
    guard let first = arguments.first else { return [] }
    let format = try value(first).bytes
    var rest: [AwkValue] = []
    for argument in arguments.dropFirst() { rest.append(try value(argument)) }
    do {
      return try PrintfCommand.format(format, rest)
    } catch {
      throw .process(error)
    }
  }
}
