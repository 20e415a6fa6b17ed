/// The command `s`.
extension SedMachine {
  func substitute(
    _ text: [UInt8],
    _ expression: RegularExpression,
    _ parts: [SedScript.Part],
    _ isGlobal: Bool,
    _ number: Int
  ) -> [UInt8]? {
    var result: [UInt8] = []
    var from = 0
    var seen = 0
    var isChanged = false
    var lastEnd = -1
    while from <= text.count {
      guard let groups = expression.firstMatch(in: text, from: from), let match = groups[0] else {
        break
      }
      // An empty match right after another does not count.
      if match.isEmpty, match.lowerBound == lastEnd {
        if match.lowerBound < text.count { result.append(text[match.lowerBound]) }
        from = match.lowerBound + 1
        lastEnd = -1
        continue
      }
      seen += 1
      result += text[from..<match.lowerBound]
      if seen >= number {
        isChanged = true
        result += replacement(parts, text, groups)
      } else {
        result += text[match]
      }
      lastEnd = match.upperBound
      from = match.upperBound
      if match.isEmpty {
        if from < text.count { result.append(text[from]) }
        from += 1
        lastEnd = -1
      }
      if seen >= number, !isGlobal { break }
    }
    if from < text.count { result += text[from...] }
    return isChanged ? result : nil
  }

  private func replacement(_ parts: [SedScript.Part], _ text: [UInt8], _ groups: [Range<Int>?])
    -> [UInt8]
  {
    var result: [UInt8] = []
    var isUpper: Bool?
    var isNextUpper: Bool?
    func add(_ bytes: some Sequence<UInt8>) {
      for byte in bytes {
        var changed = byte
        let wanted = isNextUpper ?? isUpper
        isNextUpper = nil
        if wanted == true, (0x61...0x7A).contains(byte) { changed = byte - 32 }
        if wanted == false, (0x41...0x5A).contains(byte) { changed = byte + 32 }
        result.append(changed)
      }
    }
    for part in parts {
      switch part {
      case .text(let bytes): add(bytes)
      case .group(let number):
        if number < groups.count, let range = groups[number] { add(text[range]) }
      case .upper: isUpper = true
      case .lower: isUpper = false
      case .upperNext: isNextUpper = true
      case .lowerNext: isNextUpper = false
      case .plain: isUpper = nil
      }
    }
    return result
  }
}
