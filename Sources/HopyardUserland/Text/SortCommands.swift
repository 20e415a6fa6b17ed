/// `sort`, `uniq`, `cut`, `tr`, `paste`, `nl` and `seq`.
enum SortCommands {
  static let all: [Command] = [
    Command("sort", options: sortOptions, run: sort),
    Command("uniq", options: uniqOptions, run: uniq),
    Command("cut", options: cutOptions, run: cut), Command("tr", options: trOptions, run: tr),
    Command("seq", options: seqOptions, run: seq),
    Command("paste", options: pasteOptions, run: paste),
    Command("nl", options: OptionSpecification("b:"), run: nl),
  ]

  private static func help(_ name: String) -> String {
    "Try '\(name) --help' for more information.\n"
  }

  // MARK: sort

  private static let sortOptions = OptionSpecification(
    "unrk:t:bfsco:V",
    long: ["unique=u", "numeric-sort=n", "reverse=r", "key:=k", "version-sort=V"],
    refused: "gMhRzmdiS:T:C"
  )

  private struct Key {
    var first = 0
    var firstByte = 0
    var last: Int?
    var lastByte = 0
    var flags: Set<Character> = []
  }

  private static func key(_ text: String) -> Key? {
    var key = Key()
    let halves = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
    for (index, half) in halves.enumerated() {
      let numbers = half.prefix { $0.isNumber || $0 == "." }
      let parts = numbers.split(separator: ".", omittingEmptySubsequences: false)
      guard let first = parts.first, let field = Int(first) else { return nil }
      let byte = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
      for flag in half.dropFirst(numbers.count) {
        guard "nrbfV".contains(flag) else { return nil }
        key.flags.insert(flag)
      }
      if index == 0 {
        guard field > 0 else { return nil }
        key.first = field - 1
        key.firstByte = max(0, byte - 1)
      } else {
        key.last = field - 1
        key.lastByte = byte
      }
    }
    return key
  }

  private static func fields(_ line: [UInt8], _ separator: UInt8?) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var start = 0
    if let separator {
      for (index, byte) in line.enumerated() where byte == separator {
        ranges.append(start..<index)
        start = index + 1
      }
      ranges.append(start..<line.count)
      return ranges
    }
    var index = 0
    while index < line.count {
      start = index
      while index < line.count, line[index] == 0x20 || line[index] == 0x09 { index += 1 }
      while index < line.count, line[index] != 0x20, line[index] != 0x09 { index += 1 }
      ranges.append(start..<index)
    }
    return ranges
  }

  private static func extract(_ line: [UInt8], _ key: Key, _ separator: UInt8?) -> ArraySlice<UInt8>
  {
    let ranges = fields(line, separator)
    guard key.first < ranges.count else { return [] }
    func skip(_ start: Int) -> Int {
      var index = start
      while index < line.count, line[index] == 0x20 || line[index] == 0x09 { index += 1 }
      return index
    }
    let isBlind = key.flags.contains("b")
    var start = ranges[key.first].lowerBound
    if isBlind { start = skip(start) }
    start = min(start + key.firstByte, line.count)
    var end = line.count
    if let last = key.last, last < ranges.count {
      if key.lastByte == 0 {
        end = ranges[last].upperBound
      } else {
        let from = isBlind ? skip(ranges[last].lowerBound) : ranges[last].lowerBound
        end = min(from + key.lastByte, line.count)
      }
    }
    return start < end ? line[start..<end] : []
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> Double {
    var index = bytes.startIndex
    while index < bytes.endIndex, bytes[index] == 0x20 || bytes[index] == 0x09 { index += 1 }
    var text = ""
    if index < bytes.endIndex, bytes[index] == UInt8(ascii: "-") {
      text = "-"
      index += 1
    }
    var hasPoint = false
    while index < bytes.endIndex {
      if ShellParser.isDigit(bytes[index]) {
        text.unicodeScalars.append(Unicode.Scalar(bytes[index]))
      } else if bytes[index] == 0x2E, !hasPoint {
        hasPoint = true
        text += text.isEmpty || text == "-" ? "0." : "."
      } else {
        break
      }
      index += 1
    }
    if text.hasSuffix(".") { text += "0" }
    return Double(text) ?? 0
  }

  /// Versions: runs of digits compare as numbers.
  private static func compareVersions(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Int {
    var i = a.startIndex
    var j = b.startIndex
    while i < a.endIndex, j < b.endIndex {
      if ShellParser.isDigit(a[i]), ShellParser.isDigit(b[j]) {
        var (m, n) = (i, j)
        while m < a.endIndex, ShellParser.isDigit(a[m]) { m += 1 }
        while n < b.endIndex, ShellParser.isDigit(b[n]) { n += 1 }
        let x = a[i..<m].drop { $0 == 0x30 }
        let y = b[j..<n].drop { $0 == 0x30 }
        if x.count != y.count { return x.count < y.count ? -1 : 1 }
        if !x.elementsEqual(y) { return x.lexicographicallyPrecedes(y) ? -1 : 1 }
        (i, j) = (m, n)
      } else {
        if a[i] != b[j] { return a[i] < b[j] ? -1 : 1 }
        i += 1
        j += 1
      }
    }
    return a[i...].count == b[j...].count ? 0 : i == a.endIndex ? -1 : 1
  }

  private static func compare(
    _ a: ArraySlice<UInt8>,
    _ b: ArraySlice<UInt8>,
    _ flags: Set<Character>
  ) -> Int {
    if flags.contains("n") {
      let (x, y) = (number(a), number(b))
      return x == y ? 0 : x < y ? -1 : 1
    }
    var (a, b) = (a, b)
    if flags.contains("b") {
      a = a.drop { $0 == 0x20 || $0 == 0x09 }
      b = b.drop { $0 == 0x20 || $0 == 0x09 }
    }
    if flags.contains("V") { return compareVersions(a, b) }
    if flags.contains("f") {
      let fold = { (byte: UInt8) -> UInt8 in (0x61...0x7A).contains(byte) ? byte - 32 : byte }
      let (x, y) = (a.map(fold), b.map(fold))
      return x == y ? 0 : x.lexicographicallyPrecedes(y) ? -1 : 1
    }
    return a.elementsEqual(b) ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
  }

  @Sendable private static func sort(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(
      sortOptions,
      arguments,
      usage: help("sort"),
      status: 2
    )
    var keys: [Key] = []
    for text in options.all("k") {
      guard let key = key(text) else {
        throw .refused("sort: the key `\(text)' is not modelled")
      }
      keys.append(key)
    }
    var separator: UInt8?
    if let text = options["t"] {
      let bytes = Array(text.utf8)
      if bytes.count == 1 {
        separator = bytes[0]
      } else if text == "\\0" {
        separator = 0
      } else {
        try await process.printError(
          bytes.isEmpty ? "sort: empty tab\n" : "sort: multi-character tab '\(text)'\n"
        )
        return 2
      }
    }
    let global = Set("nbfV".filter { options.has(String($0)) })
    let isReversed = options.has("r")
    func order(_ a: [UInt8], _ b: [UInt8]) -> Int {
      if keys.isEmpty {
        let result = compare(a[...], b[...], global)
        return isReversed ? -result : result
      }
      for key in keys {
        let flags = key.flags.isEmpty ? global : key.flags
        var effective = key
        effective.flags = flags
        let result = compare(
          extract(a, effective, separator),
          extract(b, effective, separator),
          flags
        )
        let isReversed = key.flags.isEmpty ? isReversed : key.flags.contains("r")
        if result != 0 { return isReversed ? -result : result }
      }
      return 0
    }
    var lines: [[UInt8]] = []
    var failures = 0
    failures = try await process.forEachInput(
      options.operands,
      complaint: { "sort: cannot read: \($0): \($1)\n" }
    ) { input, _ async throws(ProcessExit) in
      while var line = try await process.readLine(from: input) {
        if line.last == 0x0A { line.removeLast() }
        lines.append(line)
      }
    }
    if failures > 0 { return 2 }
    let isStable = options.has("s") || options.has("u")
    func full(_ a: [UInt8], _ b: [UInt8]) -> Int {
      let result = order(a, b)
      if result != 0 || isStable { return result }
      let last = a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
      return isReversed ? -last : last
    }
    if options.has("c") {
      for index in 1..<max(lines.count, 1)
      where full(lines[index - 1], lines[index]) > (options.has("u") ? -1 : 0) {
        let text = String(decoding: lines[index], as: UTF8.self)
        let name = options.operands.first ?? "-"
        try await process.printError("sort: \(name):\(index + 1): disorder: \(text)\n")
        return 1
      }
      return 0
    }
    var indexed = Array(lines.enumerated())
    indexed.sort { a, b in
      let result = full(a.element, b.element)
      return result == 0 ? a.offset < b.offset : result < 0
    }
    var output: [UInt8] = []
    var previous: [UInt8]?
    for (_, line) in indexed {
      if options.has("u"), let previous, order(previous, line) == 0 { continue }
      previous = line
      output += line
      output.append(0x0A)
    }
    if let path = options["o"] {
      do {
        process.setDescriptor(1, try process.open(path, .write))
      } catch {
        try await process.printError("sort: open failed: \(path): \(error)\n")
        return 2
      }
    }
    try await process.write(output)
    return 0
  }

  // MARK: uniq

  private static let uniqOptions = OptionSpecification(
    "cduif:s:w:",
    long: ["count=c", "repeated=d", "unique=u", "ignore-case=i", "skip-fields:=f"],
    refused: "Dz"
  )

  @Sendable private static func uniq(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(uniqOptions, arguments, usage: help("uniq"))
    let skipFields = options["f"].flatMap { Int($0) } ?? 0
    let skipBytes = options["s"].flatMap { Int($0) } ?? 0
    let width = options["w"].flatMap { Int($0) } ?? .max
    func key(_ line: ArraySlice<UInt8>) -> [UInt8] {
      var rest = line
      for _ in 0..<min(max(skipFields, 0), 10_000) {
        rest = rest.drop { $0 == 0x20 || $0 == 0x09 }
        rest = rest.drop { $0 != 0x20 && $0 != 0x09 }
      }
      let part = rest.dropFirst(max(skipBytes, 0)).prefix(max(width, 0))
      if options.has("i") { return part.map { (0x41...0x5A).contains($0) ? $0 + 32 : $0 } }
      return Array(part)
    }
    if options.operands.count > 1 {
      do {
        process.setDescriptor(1, try process.open(options.operands[1], .write))
      } catch {
        try await process.printError("uniq: \(options.operands[1]): \(error)\n")
        return 1
      }
    }
    var current: (line: [UInt8], key: [UInt8], count: Int)?
    func flush() async throws(ProcessExit) {
      guard let current else { return }
      if options.has("d"), current.count < 2 { return }
      if options.has("u"), current.count > 1 { return }
      var output: [UInt8] = []
      if options.has("c") {
        let digits = String(current.count)
        output += Array(repeating: 0x20, count: max(0, 7 - digits.count)) + digits.utf8 + [0x20]
      }
      try await process.write(output + current.line + [0x0A])
    }
    let failures = try await process.forEachLine(Array(options.operands.prefix(1))) {
      line async throws(ProcessExit) in
      let lineKey = key(line)
      if let same = current, same.key == lineKey {
        current?.count += 1
      } else {
        try await flush()
        current = (Array(line), lineKey, 1)
      }
      return true
    }
    try await flush()
    return failures == 0 ? 0 : 1
  }

  // MARK: cut

  private static let cutOptions = OptionSpecification(
    "b:c:f:d:sn",
    long: [
      "bytes:=b", "characters:=c", "fields:=f", "delimiter:=d", "only-delimited=s", "complement",
      "output-delimiter:",
    ],
    refused: "z"
  )

  /// The ranges of `1,3-5,7-`, from 1.
  private static func ranges(_ text: String) -> [ClosedRange<Int>]? {
    var ranges: [ClosedRange<Int>] = []
    for part in text.split(whereSeparator: { $0 == "," || $0 == " " }) {
      if let mark = part.firstIndex(of: "-") {
        let from = part[..<mark]
        let to = part[part.index(after: mark)...]
        guard !(from.isEmpty && to.isEmpty), let first = from.isEmpty ? 1 : Int(from),
          let last = to.isEmpty ? Int.max : Int(to), first >= 1, last >= first
        else { return nil }
        ranges.append(first...last)
      } else {
        guard let number = Int(part), number >= 1 else { return nil }
        ranges.append(number...number)
      }
    }
    return ranges.isEmpty ? nil : ranges
  }

  @Sendable private static func cut(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(cutOptions, arguments, usage: help("cut"))
    let lists = ["b", "c", "f"].filter(options.has)
    func fail(_ text: String) async throws(ProcessExit) -> Int32 {
      try await process.printError("cut: \(text)\n\(help("cut"))")
      return 1
    }
    guard let kind = lists.first else {
      return try await fail("you must specify a list of bytes, characters, or fields")
    }
    if lists.count > 1 { return try await fail("only one list may be specified") }
    guard let ranges = ranges(options[kind] ?? "") else {
      return try await fail("invalid field range")
    }
    let delimiterText = options["d"] ?? "\t"
    guard delimiterText.utf8.count <= 1 else {
      return try await fail("the delimiter must be a single character")
    }
    let delimiter = delimiterText.utf8.first ?? 0
    let joiner = Array((options["output-delimiter"] ?? (kind == "f" ? delimiterText : "")).utf8)
    let isComplement = options.has("complement")
    func isChosen(_ number: Int) -> Bool {
      ranges.contains { $0.contains(number) } != isComplement
    }
    let failures = try await process.forEachLine(options.operands) {
      line async throws(ProcessExit) in
      var output: [UInt8] = []
      if kind == "f" {
        if !line.contains(delimiter) {
          if options.has("s") { return true }
          output = Array(line)
        } else {
          let fields = line.split(separator: delimiter, omittingEmptySubsequences: false)
          var isFirst = true
          for (index, field) in fields.enumerated() where isChosen(index + 1) {
            if !isFirst { output += joiner }
            isFirst = false
            output += field
          }
        }
      } else {
        for (index, byte) in line.enumerated() where isChosen(index + 1) { output.append(byte) }
      }
      output.append(0x0A)
      try await process.write(output)
      return true
    }
    return failures == 0 ? 0 : 1
  }

  // MARK: tr

  private static let trOptions = OptionSpecification(
    "+dscCt",
    long: ["delete=d", "squeeze-repeats=s", "complement=c", "truncate-set1=t"]
  )

  /// The bytes that a set of `tr` stands for; `fill` is as long as `[x*]` may grow.
  private static func set(_ text: String, fill: Int? = nil) throws(ProcessExit) -> [UInt8] {
    let bytes = Array(text.utf8)
    var plain: [(byte: UInt8, isEscaped: Bool)] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == 0x5C, index + 1 < bytes.count {
        let (value, length) = BackslashEscape.parse(bytes[(index + 1)...], style: .dollarQuote)
        if value.first == 0x5C, value.count > 1 {
          plain.append((bytes[index + 1], true))
          index += 2
        } else {
          plain.append((value.first ?? 0x5C, true))
          index += 1 + max(length, 1)
        }
      } else {
        plain.append((bytes[index], false))
        index += 1
      }
    }
    var result: [UInt8] = []
    index = 0
    while index < plain.count {
      let (byte, isEscaped) = plain[index]
      if !isEscaped, byte == UInt8(ascii: "["), index + 1 < plain.count,
        plain[index + 1].byte == UInt8(ascii: ":"),
        let close = plain[(index + 2)...].firstIndex(where: { $0.byte == UInt8(ascii: ":") }),
        close + 1 < plain.count, plain[close + 1].byte == UInt8(ascii: "]"),
        let named = ByteSet.named(
          String(decoding: plain[(index + 2)..<close].map(\.byte), as: UTF8.self)
        )
      {
        result += named.members
        index = close + 2
        continue
      }
      if !isEscaped, byte == UInt8(ascii: "["), index + 3 < plain.count,
        plain[index + 2].byte == UInt8(ascii: "*"), !plain[index + 2].isEscaped,
        let close = plain[(index + 3)...].firstIndex(where: { $0.byte == UInt8(ascii: "]") })
      {
        let digits = String(decoding: plain[(index + 3)..<close].map(\.byte), as: UTF8.self)
        let count =
          digits.isEmpty || digits == "0" ? max(0, (fill ?? 0) - result.count) : Int(digits)
        guard let count, count <= 65_536 else {
          throw .refused("tr: the repeat `[\(digits)]' is not modelled")
        }
        result += Array(repeating: plain[index + 1].byte, count: count)
        index = close + 1
        continue
      }
      if index + 2 < plain.count, plain[index + 1].byte == UInt8(ascii: "-"),
        !plain[index + 1].isEscaped, byte <= plain[index + 2].byte
      {
        result += Array(byte...plain[index + 2].byte)
        index += 3
        continue
      }
      result.append(byte)
      index += 1
    }
    return result
  }

  @Sendable private static func tr(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(trOptions, arguments, usage: help("tr"))
    let deletes = options.has("d")
    let squeezes = options.has("s")
    let operands = options.operands
    guard let first = operands.first else {
      try await process.printError("tr: missing operand\n\(help("tr"))")
      return 1
    }
    let needsTwo = !deletes && !squeezes || deletes && squeezes
    if needsTwo, operands.count < 2 {
      let what =
        deletes
        ? "Two strings must be given when both deleting and squeezing repeats."
        : "Two strings must be given when translating."
      try await process.printError("tr: missing operand after '\(first)'\n\(what)\n\(help("tr"))")
      return 1
    }
    if operands.count > 2 || (deletes && !squeezes && operands.count > 1) {
      try await process.printError(
        "tr: extra operand '\(operands[operands.count - 1])'\n\(help("tr"))"
      )
      return 1
    }
    var from = try set(first)
    if options.has("c") || options.has("C") {
      let members = Set(from)
      from = (0...255).map { UInt8($0) }.filter { !members.contains($0) }
    }
    var to = operands.count > 1 ? try set(operands[1], fill: from.count) : []
    var map = Array(0...255).map { UInt8($0) }
    var deleted = Array(repeating: false, count: 256)
    var squeezed = Array(repeating: false, count: 256)
    let translates = !deletes && operands.count > 1
    if translates {
      if to.isEmpty {
        try await process.printError("tr: when not truncating set1, string2 must be non-empty\n")
        return 1
      }
      if let last = to.last, to.count < from.count, !options.has("t") {
        to += Array(repeating: last, count: from.count - to.count)
      }
      for (index, byte) in from.enumerated() where index < to.count { map[Int(byte)] = to[index] }
    }
    if deletes { for byte in from { deleted[Int(byte)] = true } }
    if squeezes { for byte in operands.count > 1 ? to : from { squeezed[Int(byte)] = true } }
    var last: UInt8?
    while true {
      let bytes = try await process.read()
      if bytes.isEmpty { return 0 }
      var output: [UInt8] = []
      for byte in bytes where !deleted[Int(byte)] {
        let mapped = map[Int(byte)]
        if squeezed[Int(mapped)], last == mapped { continue }
        last = mapped
        output.append(mapped)
      }
      try await process.write(output)
    }
  }

  // MARK: seq, paste, nl

  private static let seqOptions = OptionSpecification(
    "+s:w",
    long: ["separator:=s", "equal-width=w"],
    refused: "f:",
    digitsAreNumbers: true
  )

  @Sendable private static func seq(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    // Negative numbers are operands.
    var separator = "\n"
    var isWide = false
    var operands: [String] = []
    var index = 0
    while index < arguments.count {
      let argument = arguments[index]
      if argument.hasPrefix("-"), argument.count > 1, operands.isEmpty, Double(argument) == nil {
        let parsed = try await process.options(
          seqOptions,
          Array(arguments[index...]),
          usage: help("seq")
        )
        separator = parsed["s"] ?? separator
        isWide = parsed.has("w")
        operands += parsed.operands
        break
      }
      operands.append(argument)
      index += 1
    }
    guard (1...3).contains(operands.count) else {
      let text = operands.isEmpty ? "missing operand" : "extra operand '\(operands[3])'"
      try await process.printError("seq: \(text)\n\(help("seq"))")
      return 1
    }
    var numbers: [Double] = []
    for operand in operands {
      guard let number = Double(operand), number.isFinite, abs(number) < 1e15 else {
        try await process.printError(
          "seq: invalid floating point argument: '\(operand)'\n\(help("seq"))"
        )
        return 1
      }
      numbers.append(number)
    }
    let first = operands.count > 1 ? numbers[0] : 1
    let step = operands.count > 2 ? numbers[1] : 1
    let last = numbers[numbers.count - 1]
    if step == 0 {
      try await process.printError(
        "seq: invalid Zero increment value: '\(operands[1])'\n\(help("seq"))"
      )
      return 1
    }
    func digits(_ text: String) -> Int {
      text.firstIndex(of: ".").map { text.distance(from: $0, to: text.endIndex) - 1 } ?? 0
    }
    let places = operands.dropLast(operands.count > 1 ? 1 : 0).map(digits).max() ?? 0
    let scale = (0..<min(places, 12)).reduce(1.0) { product, _ in product * 10 }
    func text(_ value: Double) -> String {
      let scaled = Int64((value * scale).rounded())
      if places == 0 { return String(scaled) }
      let magnitude = scaled.magnitude
      let whole = magnitude / UInt64(scale)
      var fraction = String(magnitude % UInt64(scale))
      while fraction.count < min(places, 12) { fraction = "0" + fraction }
      return (scaled < 0 ? "-" : "") + "\(whole).\(fraction)"
    }
    var width = 0
    if isWide { width = max(text(first).count, text(last).count) }
    var output = ""
    var count = 0
    var isFirst = true
    while true {
      let value = first + Double(count) * step
      let limit = last + step * 1e-9
      if step > 0 ? value > limit : value < limit { break }
      var digits = text(value)
      if digits.count < width {
        let isNegative = digits.hasPrefix("-")
        if isNegative { digits.removeFirst() }
        digits =
          (isNegative ? "-" : "")
          + String(repeating: "0", count: width - digits.count - (isNegative ? 1 : 0)) + digits
      }
      output += (isFirst ? "" : separator) + digits
      isFirst = false
      count += 1
      if output.utf8.count > 32_768 {
        try await process.print(output)
        output = ""
      }
    }
    if !isFirst { output += "\n" }
    try await process.print(output)
    return 0
  }

  private static let pasteOptions = OptionSpecification(
    "sd:",
    long: ["serial=s", "delimiters:=d"],
    refused: "z"
  )

  @Sendable private static func paste(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(pasteOptions, arguments, usage: help("paste"))
    var delimiters: [[UInt8]] = []
    let text = Array((options["d"] ?? "\t").utf8)
    var index = 0
    while index < text.count {
      if text[index] == 0x5C, index + 1 < text.count {
        if text[index + 1] == 0x30 {
          delimiters.append([])
          index += 2
          continue
        }
        let (bytes, length) = BackslashEscape.parse(text[(index + 1)...], style: .printf)
        delimiters.append(bytes)
        index += 1 + max(1, length)
      } else {
        delimiters.append([text[index]])
        index += 1
      }
    }
    if delimiters.isEmpty { delimiters = [[]] }
    var files: [[[UInt8]]] = []
    let failures = try await process.forEachInput(
      options.operands,
      complaint: { "paste: \($0): \($1)\n" }
    ) { input, _ async throws(ProcessExit) in
      var lines: [[UInt8]] = []
      while let line = try await process.readLine(from: input) {
        lines.append(line.last == 0x0A ? line.dropLast() : line)
      }
      files.append(lines)
    }
    if failures > 0 { return 1 }
    let rows: [[[UInt8]]]
    if options.has("s") {
      rows = files
    } else {
      rows = (0..<(files.map(\.count).max() ?? 0)).map { row in
        files.map { row < $0.count ? $0[row] : [] }
      }
    }
    for row in rows {
      var output: [UInt8] = []
      for (index, cell) in row.enumerated() {
        if index > 0 { output += delimiters[(index - 1) % delimiters.count] }
        output += cell
      }
      try await process.write(output + [0x0A])
    }
    return 0
  }

  @Sendable private static func nl(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(
      OptionSpecification("b:"),
      arguments,
      usage: help("nl")
    )
    var number = 0
    let failures = try await process.forEachLine(options.operands) {
      line async throws(ProcessExit) in
      if line.isEmpty, options["b"] != "a" {
        try await process.print("       \n")
      } else {
        number += 1
        let digits = String(number)
        let pad = String(repeating: " ", count: max(0, 6 - digits.count))
        try await process.write(Array("\(pad)\(digits)\t".utf8) + line + [0x0A])
      }
      return true
    }
    return failures == 0 ? 0 : 1
  }
}
