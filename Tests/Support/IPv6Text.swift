/// IPv6 addresses between 16 bytes and text (RFC 5952).
enum IPv6Text {
  /// The shortest usual form: the longest run of two or more zero groups becomes `::`.
  static func format(_ bytes: [UInt8]) -> String {
    let groups = stride(from: 0, to: 16, by: 2).map { Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]) }
    var best = 0..<0
    var index = 0
    while index < 8 {
      var end = index
      while end < 8, groups[end] == 0 { end += 1 }
      if end - index > max(best.count, 1) { best = index..<end }
      index = max(end, index + 1)
    }
    func joined(_ part: ArraySlice<Int>) -> String {
      part.map { String($0, radix: 16) }.joined(separator: ":")
    }
    if best.isEmpty { return joined(groups[...]) }
    return joined(groups[..<best.lowerBound]) + "::" + joined(groups[best.upperBound...])
  }

  /// The bytes of an address written in groups only, nil for anything else.
  static func parse(_ text: some StringProtocol) -> [UInt8]? {
    var groups: [Int] = []
    var gap: Int?
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count >= 3 else { return nil }
    for (position, part) in parts.enumerated() {
      if part.isEmpty {
        let isEnd = position == 0 || position == parts.count - 1
        if isEnd {
          let neighbour = position == 0 ? parts[1] : parts[position - 1]
          guard neighbour.isEmpty else { return nil }
          continue
        }
        guard gap == nil else { return nil }
        gap = groups.count
      } else {
        guard part.utf8.count <= 4, let value = Int(part, radix: 16), value >= 0 else { return nil }
        groups.append(value)
      }
    }
    if let gap {
      guard groups.count < 8 else { return nil }
      groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
    }
    guard groups.count == 8 else { return nil }
    return groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
  }
}
