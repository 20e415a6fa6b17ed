/// The values of expressions, and what holds them.
extension AwkMachine {
  mutating func key(_ expressions: [AwkExpression]) throws(Unwind) -> [UInt8] {
    var key: [UInt8] = []
    for (index, expression) in expressions.enumerated() {
      if index > 0 { key += values[subsep].bytes }
      key += try value(expression).bytes
    }
    return key
  }

  mutating func setElement(_ table: Int, _ key: [UInt8], _ value: AwkValue) {
    if arrays[table, default: [:]].updateValue(value, forKey: key) == nil {
      orders[table, default: []].append(key)
    }
  }

  mutating func store(_ target: AwkExpression, _ value: AwkValue) throws(Unwind) {
    switch target {
    case .variable(let slot):
      values[slot] = value
      if slot == nf {
        let count = Self.integer(value.number)
        guard count >= 0, count <= 100_000 else {
          throw .process(.refused("awk: more than 100,000 fields are not modelled"))
        }
        try loadFields()
        var list = fields ?? []
        while list.count < count { list.append(.unset) }
        fields = Array(list.prefix(Int(count)))
        values[nf] = .number(Double(count))
        rebuild()
      }
    case .field(let number): try setField(try self.value(number).number, value)
    case .element(let table, let keys):
      if (orders[table]?.count ?? 0) > 1_000_000 {
        throw .process(.refused("awk: an array of more than 1,000,000 elements is not modelled"))
      }
      setElement(table, try key(keys), value)
    default: break
    }
  }

  mutating func value(_ expression: AwkExpression) throws(Unwind) -> AwkValue {
    try step()
    switch expression {
    case .number(let value): return .number(value)
    case .string(let bytes): return .string(bytes)
    case .pattern(let pattern): return .number(pattern.firstMatch(in: record) != nil ? 1 : 0)
    case .variable(let slot):
      if slot == nf { try loadFields() }
      return values[slot]
    case .group(let inner): return try value(inner)
    case .field(let number): return try field(try value(number).number)
    case .element(let table, let keys):
      let key = try key(keys)
      if let found = arrays[table]?[key] { return found }
      setElement(table, key, .unset)
      return .unset
    case .assign(let operation, let target, let right):
      var result = try value(right)
      if !operation.isEmpty {
        result = .number(try arithmetic(operation, try value(target).number, result.number))
      }
      try store(target, result)
      return result
    case .step(let target, let amount, let isPrefix):
      let old = try value(target).number
      try store(target, .number(old + amount))
      return .number(isPrefix ? old + amount : old)
    case .binary(let operation, let left, let right):
      let first = try value(left)
      let second = try value(right)
      switch operation {
      case " ":
        let bytes = first.bytes + second.bytes
        if bytes.count > 1 << 24 {
          throw .process(.refused("awk: a string of more than 16 MiB is not modelled"))
        }
        return .string(bytes)
      case "+", "-", "*", "/", "%", "^":
        return .number(try arithmetic(operation, first.number, second.number))
      default: return .number(compare(operation, first, second) ? 1 : 0)
      }
    case .not(let inner): return .number(try value(inner).isTrue ? 0 : 1)
    case .negative(let inner): return .number(-(try value(inner).number))
    case .positive(let inner): return .number(try value(inner).number)
    case .match(let left, let right, let isNegated):
      let text = try value(left).bytes
      let isFound = try pattern(right).firstMatch(in: text) != nil
      return .number(isFound != isNegated ? 1 : 0)
    case .isIn(let keys, let table):
      let key = try key(keys)
      return .number(arrays[table]?[key] != nil ? 1 : 0)
    case .and(let left, let right):
      if try !value(left).isTrue { return .number(0) }
      return .number(try value(right).isTrue ? 1 : 0)
    case .or(let left, let right):
      if try value(left).isTrue { return .number(1) }
      return .number(try value(right).isTrue ? 1 : 0)
    case .choice(let test, let first, let second):
      return try value(test).isTrue ? try value(first) : try value(second)
    case .call(let name, let arguments): return try call(name, arguments)
    }
  }

  mutating func pattern(_ expression: AwkExpression) throws(Unwind) -> RegularExpression {
    if case .pattern(let pattern) = expression { return pattern }
    return try regularExpression(try value(expression).bytes)
  }

  func arithmetic(_ operation: String, _ left: Double, _ right: Double) throws(Unwind)
    -> Double
  {
    switch operation {
    case "+": return left + right
    case "-": return left - right
    case "*": return left * right
    case "^":
      var result = 1.0
      let count = right.magnitude
      guard count == count.rounded(), count <= 1_024 else {
        throw .process(.refused("awk: powers that are not whole are not modelled"))
      }
      for _ in 0..<Int(count) { result *= left }
      return right < 0 ? 1 / result : result
    default:
      if right == 0 {
        if operation == "/" { return left == 0 ? .nan : left / right }
        return .nan
      }
      return operation == "/" ? left / right : left.truncatingRemainder(dividingBy: right)
    }
  }

  func compare(_ operation: String, _ left: AwkValue, _ right: AwkValue) -> Bool {
    let order: Int
    if left.looksNumeric, right.looksNumeric {
      let (a, b) = (left.number, right.number)
      order = a < b ? -1 : a == b ? 0 : 1
    } else {
      let (a, b) = (left.bytes, right.bytes)
      order = a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
    }
    switch operation {
    case "<": return order < 0
    case "<=": return order <= 0
    case "==": return order == 0
    case "!=": return order != 0
    case ">": return order > 0
    default: return order >= 0
    }
  }
}
