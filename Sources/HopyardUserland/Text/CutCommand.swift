/// `cut`.
enum CutCommand {
  static let command = Command("cut", options: specification) {
    process,
    arguments async throws(ProcessExit) in try await run(process, arguments)
  }

  private static let specification = OptionSpecification(
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

  private static func run(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(specification, arguments, usage: UsageHint.line("cut"))
    let lists = ["b", "c", "f"].filter(options.has)
    func fail(_ text: String) async throws(ProcessExit) -> Int32 {
      try await process.printError("cut: \(text)\n\(UsageHint.line("cut"))")
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
}
