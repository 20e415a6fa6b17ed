/// `xxd`, `od`, `md5sum` and `cmp`.
enum DumpCommands {
  static let all: [Command] = [
    Command("xxd", options: xxdOptions, run: xxd), Command("od", options: odOptions, run: od),
    Command("md5sum", options: OptionSpecification("", refused: "cbtz"), run: md5sum),
    Command("cmp", options: OptionSpecification("s", refused: "bliN:"), run: cmp),
  ]

  private static func hex(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }

  private static func all(_ process: Process, _ path: String?) async throws(ProcessExit) -> [UInt8]?
  {
    guard let path, path != "-" else { return try await process.readAll() }
    do {
      return try process.contents(of: path)
    } catch {
      try await process.printError("\(process.name): \(path): \(error)\n")
      return nil
    }
  }

  private static let xxdOptions = OptionSpecification("prg:c:l:u", refused: "abeEiso:C")

  @Sendable private static func xxd(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(xxdOptions, arguments)
    guard var bytes = try await all(process, options.operands.first) else { return 2 }
    if options.has("r") {
      guard options.has("p") else { throw .refused("xxd: -r without -p is not modelled") }
      let digits = bytes.compactMap { UInt8(String(UnicodeScalar($0)), radix: 16) }
      var output: [UInt8] = []
      for index in stride(from: 0, to: digits.count - 1, by: 2) {
        output.append(digits[index] << 4 | digits[index + 1])
      }
      try await process.write(output)
      return 0
    }
    if let limit = options["l"].flatMap({ Int($0) }), limit >= 0 {
      bytes = Array(bytes.prefix(limit))
    }
    let columns = min(max(options["c"].flatMap { Int($0) } ?? (options.has("p") ? 30 : 16), 1), 256)
    let group = options["g"].flatMap { Int($0) } ?? 2
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: columns) {
      let row = bytes[start..<min(start + columns, bytes.count)]
      if options.has("p") {
        text += row.map(hex).joined() + "\n"
        continue
      }
      let address = String(start, radix: 16)
      text += String(repeating: "0", count: max(0, 8 - address.count)) + address + ": "
      var cells = ""
      for (index, byte) in row.enumerated() {
        cells += hex(byte)
        if group > 0, index % group == group - 1 { cells += " " }
      }
      let width = columns * 2 + (group > 0 ? (columns + group - 1) / group : 0) + 1
      cells += String(repeating: " ", count: max(0, width - cells.count))
      let printable = row.map { (0x20..<0x7F).contains($0) ? Character(UnicodeScalar($0)) : "." }
      text += cells + String(printable) + "\n"
    }
    try await process.print(options.has("u") ? text.uppercased() : text)
    return 0
  }

  private static let odOptions = OptionSpecification("A:t:N:j:vxcbw::", refused: "dDeFhHiIlLoOsSX")

  @Sendable private static func od(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(odOptions, arguments)
    guard var bytes = try await all(process, options.operands.first) else { return 1 }
    let skip = options["j"].flatMap(NumberText.size) ?? 0
    bytes = Array(bytes.dropFirst(skip))
    if let limit = options["N"].flatMap(NumberText.size) { bytes = Array(bytes.prefix(limit)) }
    var format = options["t"] ?? "o2"
    if options.has("x") { format = "x2" }
    if options.has("c") { format = "c" }
    if options.has("b") { format = "o1" }
    let showsText = format.hasSuffix("z")
    if showsText { format.removeLast() }
    let base = options["A"] ?? "o"
    func address(_ offset: Int) -> String {
      switch base {
      case "n": return ""
      case "x":
        let digits = String(offset, radix: 16)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
      case "d":
        let digits = String(offset)
        return String(repeating: "0", count: max(0, 7 - digits.count)) + digits
      default:
        let digits = String(offset, radix: 8)
        return String(repeating: "0", count: max(0, 7 - digits.count)) + digits
      }
    }
    let unit: Int
    switch format {
    case "x1", "o1", "u1", "d1", "c", "a": unit = 1
    case "x2", "o2", "u2": unit = 2
    case "x4", "u4", "x": unit = 4
    default: throw .refused("od: the format `\(format)' is not modelled")
    }
    func cell(_ value: UInt64) -> String {
      func wide(_ text: String, _ width: Int, _ pad: String) -> String {
        String(repeating: pad, count: max(0, width - text.count)) + text
      }
      if format == "c" {
        let names: [UInt64: String] = [
          0: "\\0", 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r",
        ]
        if let name = names[value] { return " " + wide(name, 3, " ") }
        if (0x20..<0x7F).contains(value), let byte = UInt8(exactly: value) {
          return " " + wide(String(UnicodeScalar(byte)), 3, " ")
        }
        return " " + wide(String(value, radix: 8), 3, "0")
      }
      switch format.first {
      case "x": return " " + wide(String(value, radix: 16), unit * 2, "0")
      case "u": return " " + wide(String(value), unit == 1 ? 3 : unit == 2 ? 5 : 10, " ")
      case "d":
        return " " + wide(String(Int8(truncatingIfNeeded: value)), 4, " ")
      default: return " " + wide(String(value, radix: 8), unit == 1 ? 3 : 6, "0")
      }
    }
    var text = ""
    var previous: ArraySlice<UInt8>?
    var isStarred = false
    for start in stride(from: 0, to: bytes.count, by: 16) {
      let row = bytes[start..<min(start + 16, bytes.count)]
      if let last = previous, row.count == 16, last.elementsEqual(row), !options.has("v") {
        if !isStarred { text += "*\n" }
        isStarred = true
        continue
      }
      isStarred = false
      previous = row
      text += address(start + skip)
      for at in stride(from: row.startIndex, to: row.endIndex, by: unit) {
        var value: UInt64 = 0
        for index in (at..<(at + unit)).reversed() {
          value = value << 8 | UInt64(index < row.endIndex ? row[index] : 0)
        }
        text += cell(value)
      }
      if showsText {
        let missing = (16 - row.count) / unit
        text += String(repeating: " ", count: missing * (unit * 2 + 1)) + "  >"
        text +=
          String(row.map { (0x20..<0x7F).contains($0) ? Character(UnicodeScalar($0)) : "." }) + "<"
      }
      text += "\n"
    }
    if base != "n" { text += address(bytes.count + skip) + "\n" }
    try await process.print(text)
    return 0
  }

  @Sendable private static func md5sum(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(OptionSpecification("", refused: "cbtz"), arguments)
    var status: Int32 = 0
    for path in options.operands.isEmpty ? ["-"] : options.operands {
      guard let bytes = try await all(process, path) else {
        status = 1
        continue
      }
      try await process.print(MD5.digest(bytes).map(hex).joined() + "  \(path)\n")
    }
    return status
  }

  @Sendable private static func cmp(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(
      OptionSpecification("s", refused: "bliN:"),
      arguments,
      status: 2
    )
    guard let first = options.operands.first else {
      try await process.printError("cmp: missing operand after 'cmp'\n")
      return 2
    }
    let second = options.operands.count > 1 ? options.operands[1] : "-"
    guard let a = try await all(process, first), let b = try await all(process, second) else {
      return 2
    }
    if a == b { return 0 }
    if options.has("s") { return 1 }
    if let index = zip(a, b).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset {
      let line = a[..<index].count { $0 == 0x0A } + 1
      try await process.print("\(first) \(second) differ: char \(index + 1), line \(line)\n")
    } else {
      let (short, bytes) = a.count < b.count ? (first, a) : (second, b)
      if bytes.isEmpty {
        try await process.printError("cmp: EOF on \(short) which is empty\n")
      } else {
        let line = bytes.count { $0 == 0x0A }
        try await process.printError(
          "cmp: EOF on \(short) after byte \(bytes.count), line \(line)\n"
        )
      }
    }
    return 1
  }
}

/// MD5 (RFC 1321).
enum MD5 {
  private static let shifts: [UInt32] = [
    7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21,
  ]

  /// The table of RFC 1321: floor(2^32 × |sin(i + 1)|).
  private static let constants: [UInt32] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613,
    0xfd46_9501, 0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193,
    0xa679_438e, 0x49b4_0821, 0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d,
    0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8, 0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed,
    0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a, 0xfffa_3942, 0x8771_f681, 0x6d9d_6122,
    0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70, 0x289b_7ec6, 0xeaa1_27fa,
    0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665, 0xf429_2244,
    0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb,
    0xeb86_d391,
  ]

  static func digest(_ message: [UInt8]) -> [UInt8] {
    var state: (UInt32, UInt32, UInt32, UInt32) = (
      0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476
    )
    var padded = message + [0x80]
    while padded.count % 64 != 56 { padded.append(0) }
    let bits = UInt64(message.count) &* 8
    padded += (0..<8).map { UInt8(truncatingIfNeeded: bits >> UInt64($0 * 8)) }
    for start in stride(from: 0, to: padded.count, by: 64) {
      let words = (0..<16).map { word -> UInt32 in
        let at = start + word * 4
        return UInt32(padded[at]) | UInt32(padded[at + 1]) << 8 | UInt32(padded[at + 2]) << 16
          | UInt32(padded[at + 3]) << 24
      }
      var (a, b, c, d) = state
      for step in 0..<64 {
        let mix: UInt32
        let word: Int
        switch step / 16 {
        case 0:
          mix = b & c | ~b & d
          word = step
        case 1:
          mix = d & b | ~d & c
          word = (5 * step + 1) % 16
        case 2:
          mix = b ^ c ^ d
          word = (3 * step + 5) % 16
        default:
          mix = c ^ (b | ~d)
          word = 7 * step % 16
        }
        let sum = a &+ mix &+ constants[step] &+ words[word]
        let shift = shifts[step / 16 * 4 + step % 4]
        (a, d, c, b) = (d, c, b, b &+ (sum << shift | sum >> (32 - shift)))
      }
      state = (state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d)
    }
    return [state.0, state.1, state.2, state.3].flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32($0 * 8)) }
    }
  }
}
