ALTER TABLE member RENAME COLUMN last TO surname;
ALTER TABLE member RENAME TO person;
ALTER INDEX member_pkey RENAME TO person_pkey;
