"""How the databases find what a decision reads: plans are kept, and have to serve when tables have grown."""

from sqlalchemy import text

from app.database import Database
from app.ids import new_id


async def test_a_plan_that_is_kept_from_an_empty_table_reads_by_its_index(
    database: Database,
) -> None:
    query = "SELECT amount_micro FROM holds WHERE id"
    async with database.write() as session:
        if database.is_sqlite:
            asked = f"EXPLAIN QUERY PLAN {query} = '{new_id().hex}'"
        else:
            await session.execute(text(f"PREPARE held (uuid[]) AS {query} = ANY($1)"))
            asked = f"EXPLAIN EXECUTE held (ARRAY['{new_id()}'::uuid])"
        rows = (await session.execute(text(asked))).all()
    plan = "\n".join(str(row[-1]) for row in rows)
    assert "index" in plan.lower(), plan
    assert "Seq Scan" not in plan, plan
    assert "SCAN holds" not in plan, plan
