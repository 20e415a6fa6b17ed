extension FilterProgram {
  /// How many instructions a program of `-m bpf` may have.
  public static let maximumLength = 64

  /// Whether the program can be run: known instructions, jumps that stay within, an end.
  public var isValid: Bool {
    guard !instructions.isEmpty, instructions.count <= Self.maximumLength else { return false }
    for (index, instruction) in instructions.enumerated() {
      let rest = instructions.count - index - 1
      switch instruction.code {
      case 0x00, 0x01, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x81, 0xb1: break
      case 0x60, 0x61, 0x02, 0x03: guard instruction.operand < 16 else { return false }
      case 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x9c, 0xa4, 0xac,
        0x6c, 0x7c, 0x84:
        break
      case 0x34, 0x94: guard instruction.operand != 0 else { return false }
      case 0x64, 0x74: guard instruction.operand < 32 else { return false }
      case 0x05: guard instruction.operand < rest else { return false }
      case 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d:
        guard Int(instruction.whenTrue) < rest, Int(instruction.whenFalse) < rest else {
          return false
        }
      case 0x06, 0x16, 0x07, 0x87: break
      default: return false
      }
    }
    return instructions.last.map { $0.code == 0x06 || $0.code == 0x16 } ?? false
  }

  /// Runs the program on a packet that begins with its IP header; what it returns, 0 for no match.
  func run(on bytes: UnsafeRawBufferPointer) -> UInt32 {
    let packet = TransportBytes(bytes, from: 0, to: bytes.count)
    var accumulator: UInt32 = 0
    var index: UInt32 = 0
    var memory = [UInt32](repeating: 0, count: 16)
    var counter = 0
    // Jumps only lead forward, so that every program ends.
    while counter < instructions.count {
      let instruction = instructions[counter]
      let k = instruction.operand
      counter += 1
      switch instruction.code & 7 {
      case 0, 1:
        guard
          let value = load(instruction, packet, UInt32(clamping: bytes.count), memory, index)
        else { return 0 }
        if instruction.code & 7 == 0 { accumulator = value } else { index = value }
      case 2: memory[Int(k & 15)] = accumulator
      case 3: memory[Int(k & 15)] = index
      case 4:
        let operand = instruction.code & 8 == 0 ? k : index
        guard let value = Self.calculate(instruction.code & 0xf0, accumulator, operand) else {
          return 0
        }
        accumulator = value
      case 5:
        if instruction.code == 5 {
          counter += Int(k)
          continue
        }
        let operand = instruction.code & 8 == 0 ? k : index
        let holds: Bool =
          switch instruction.code & 0xf0 {
          case 0x10: accumulator == operand
          case 0x20: accumulator > operand
          case 0x30: accumulator >= operand
          default: accumulator & operand != 0
          }
        counter += Int(holds ? instruction.whenTrue : instruction.whenFalse)
      case 6: return instruction.code & 0x18 == 0 ? k : accumulator
      default:
        if instruction.code & 0xf8 == 0 { index = accumulator } else { accumulator = index }
      }
    }
    return 0
  }

  private func load(
    _ instruction: Instruction,
    _ packet: TransportBytes,
    _ length: UInt32,
    _ memory: [UInt32],
    _ index: UInt32
  ) -> UInt32? {
    let k = instruction.operand
    switch instruction.code {
    case 0x00, 0x01: return k
    case 0x60, 0x61: return memory[Int(k & 15)]
    case 0x80, 0x81: return length
    case 0xb1: return packet.u8(Int(k)).map { UInt32($0 & 15) << 2 }
    default: break
    }
    let place = Int(instruction.code & 0xe0 == 0x40 ? index &+ k : k)
    switch instruction.code & 0x18 {
    case 0x00: return packet.u32(place)
    case 0x08: return packet.u16(place).map(UInt32.init)
    default: return packet.u8(place).map(UInt32.init)
    }
  }

  private static func calculate(_ operation: UInt16, _ a: UInt32, _ b: UInt32) -> UInt32? {
    switch operation {
    case 0x00: a &+ b
    case 0x10: a &- b
    case 0x20: a &* b
    case 0x30: b == 0 ? nil : a / b
    case 0x40: a | b
    case 0x50: a & b
    case 0x60: a << (b & 31)
    case 0x70: a >> (b & 31)
    case 0x80: 0 &- a
    case 0x90: b == 0 ? nil : a % b
    default: a ^ b
    }
  }
}
