package conflictgen

// PolicyYAML is the policy under which the generated expectations are right,
// as the text of a couchmend.yaml. It covers every database.
func PolicyYAML() string { return policyYAML }

const policyYAML = `databases:
  - { match: "*", policy: generated }
policies:
  generated:
    rules:
      - name: records
        when: { type: record }
        fields:
          tags: union
          team.members: union
          journal: append
          tasks: { by_key: id }
          tasks.*.count: sum
          tasks.*.grade: max
          high: max
          low: min
          last_seen: max
          first_seen: min
          vitals.peak: max
          visits: sum
          totals.paid: sum
          notes: text
          address: { latest: address_at }
          profile.phone: { latest: profile.phone_at }
          colour: winner
          settings: winner
          "display.**": winner
          secret: review
      - name: lamport
        when: { type: lamport }
        clock: { lamport: edit_count }
        fields: { tags: union, visits: sum, secret: review, "**": latest }
      - name: sequence
        when: { type: sequence }
        clock: { sequence: sequence }
        fields: { tags: union, visits: sum, "**": latest }
      - name: timestamp
        when: { type: timestamp }
        clock: { timestamp: updated_at }
        fields: { tags: union, visits: sum, "**": latest }
      - name: vector
        when: { type: vector }
        clock: { vector: versions }
        fields: { tags: union }
      - name: stopgap
        when: { type: stopgap }
        clock: { lamport: edit_count }
        no_base: strategies
        fields:
          tags: union
          colour: winner
          tasks: { by_key: id }
          tasks.*.grade: max
          "**": latest
      - { name: twice, when: { type: twice }, collision: merge, fields: { tags: union, high: max } }
      - { name: delete-review, when: { type: delete-review }, deletes: review }
      - { name: delete-wins, when: { type: delete-wins }, deletes: delete_wins }
      - { name: soft-delete, when: { type: soft-delete }, soft_delete: { field: deleted, wins: delete } }
      - { name: soft-edit, when: { type: soft-edit }, soft_delete: { field: deleted, wins: edit } }
      - { name: soft-review, when: { type: soft-review }, soft_delete: { field: deleted, wins: review } }
      - { name: files-both, when: { type: files-both }, attachments: keep_both }
      - { name: files-winner, when: { type: files-winner }, attachments: winner }
    otherwise: review
`
