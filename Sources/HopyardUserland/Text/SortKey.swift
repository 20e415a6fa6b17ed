/// A key of `sort -k`: the part of a line that is compared, and how.
struct SortKey {
  var first = 0
  var firstByte = 0
  var last: Int?
  var lastByte = 0
  var flags: Set<Character> = []

  /// Reads `FIELD[.BYTE][FLAGS][,FIELD[.BYTE][FLAGS]]`.
  init?(_ text: String) {
    let halves = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
    for (index, half) in halves.enumerated() {
      let numbers = half.prefix { $0.isNumber || $0 == "." }
      let parts = numbers.split(separator: ".", omittingEmptySubsequences: false)
      guard let number = parts.first, let field = Int(number) else { return nil }
      let byte = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
      for flag in half.dropFirst(numbers.count) {
        guard "nrbfV".contains(flag) else { return nil }
        flags.insert(flag)
      }
      if index == 0 {
        guard field > 0 else { return nil }
        first = field - 1
        firstByte = max(0, byte - 1)
      } else {
        last = field - 1
        lastByte = byte
      }
    }
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

  /// The part of a line that the key compares.
  func part(of line: [UInt8], separator: UInt8?) -> ArraySlice<UInt8> {
    let ranges = Self.fields(line, separator)
    guard first < ranges.count else { return [] }
    func skip(_ start: Int) -> Int {
      var index = start
      while index < line.count, line[index] == 0x20 || line[index] == 0x09 { index += 1 }
      return index
    }
    let isBlind = flags.contains("b")
    var start = ranges[first].lowerBound
    if isBlind { start = skip(start) }
    start = min(start + firstByte, line.count)
    var end = line.count
    if let last, last < ranges.count {
      if lastByte == 0 {
        end = ranges[last].upperBound
      } else {
        let from = isBlind ? skip(ranges[last].lowerBound) : ranges[last].lowerBound
        end = min(from + lastByte, line.count)
      }
    }
    return start < end ? line[start..<end] : []
  }
}
