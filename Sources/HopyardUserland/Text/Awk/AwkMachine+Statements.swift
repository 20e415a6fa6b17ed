/// Statements of awk, run.
extension AwkMachine {
  mutating func step() throws(Unwind) {
    steps += 1
    if steps > 2_000_000 {
      throw .process(.refused("awk: more than 2,000,000 steps for one record are not modelled"))
    }
    if output.count > 1 << 26 {
      throw .process(.refused("awk: more than 64 MiB of output for one record is not modelled"))
    }
  }

  mutating func run(_ statements: [AwkStatement]) throws(Unwind) {
    for statement in statements { try run(statement) }
  }

  mutating func run(_ statement: AwkStatement) throws(Unwind) {
    try step()
    switch statement {
    case .expression(let expression): _ = try value(expression)
    case .print(let expressions):
      if expressions.isEmpty {
        output += record
      } else {
        for (index, expression) in expressions.enumerated() {
          let bytes = try value(expression).bytes
          if index > 0 { output += values[ofs].bytes }
          output += bytes
        }
      }
      output += values[ors].bytes
    case .printf(let expressions): output += try format(expressions)
    case .block(let statements): try run(statements)
    case .condition(let test, let body, let otherwise):
      if try value(test).isTrue {
        try run(body)
      } else if let otherwise {
        try run(otherwise)
      }
    case .loop(let test, let body, let step, let isDo):
      var isFirst = isDo
      while true {
        try self.step()
        if !isFirst, let test {
          let goesOn = try value(test).isTrue
          if !goesOn { return }
        }
        isFirst = false
        do throws(Unwind) {
          try run(body)
        } catch .break {
          return
        } catch .continue {}
        if let step { try run(step) }
      }
    case .forIn(let variable, let table, let body):
      for key in orders[table] ?? [] where arrays[table]?[key] != nil {
        values[variable] = .input(key)
        do throws(Unwind) {
          try run(body)
        } catch .break {
          return
        } catch .continue {}
      }
    case .next: throw .next
    case .exit(let expression):
      if let expression {
        status = Int32(truncatingIfNeeded: Self.integer(try value(expression).number)) & 0xFF
      }
      throw .exit
    case .break: throw .break
    case .continue: throw .continue
    case .delete(let table, let keys):
      guard let keys else {
        arrays[table] = nil
        orders[table] = nil
        return
      }
      let key = try key(keys)
      arrays[table]?[key] = nil
      orders[table]?.removeAll { $0 == key }
    }
  }

  static func integer(_ value: Double) -> Int64 {
    guard value.isFinite else { return 0 }
    return value.magnitude < 9e18 ? Int64(value) : value < 0 ? .min : .max
  }
}
